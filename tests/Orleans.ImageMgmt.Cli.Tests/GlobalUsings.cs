global using Orleans.ImageMgmt.Cli;
global using Xunit;
