using Orleans.ImageMgmt.Cli;

return await Imgctl.RunAsync(args, Screen.OfProcess(), Surroundings.OfProcess, new Interrupts());
