global using Orleans.ImageMgmt.Domain;
global using Version = Orleans.ImageMgmt.Domain.Version;
