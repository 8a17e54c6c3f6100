using System.Net;
using Orleans.ImageMgmt.Api;
using Xunit;

namespace Orleans.ImageMgmt.Doors.Tests.Locks;

/// <summary>Goal: a lost administrator's token locks nobody out for ever, and nobody resets it beside a running service. Method: the real program.</summary>
public sealed class TokenResetTests
{
    [Fact]
    public async Task Reset_makes_a_new_administrator_while_the_service_is_down_and_refuses_while_it_runs()
    {
        var root = Directory.CreateTempSubdirectory("imgmt-doors-").FullName;
        var data = Path.Combine(root, "data");
        string old, viewer;
        await using (var server = await DoorsHost.StartInAsync(root, ownsRoot: false))
        {
            (old, viewer) = (server.AdministratorToken, await server.TokenAsync("reader", "viewer"));
            await using var beside = ImgmtProgram.Start("token", "reset", "--data", data);
            Assert.Equal(2, await beside.ExitAsync());
            Assert.Contains("in use by process", beside.Output, StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.OK, (await server.Admin.GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
        }

        File.Delete(Path.Combine(data, "administrator.token"));
        await using (var reset = ImgmtProgram.Start("token", "reset", "--data", data))
        {
            Assert.Equal(0, await reset.ExitAsync());
            Assert.DoesNotContain("imgmt_", reset.Output, StringComparison.Ordinal);
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(data, "administrator.token")));
        await using var again = await DoorsHost.StartInAsync(root, ownsRoot: true);
        Assert.NotEqual(old, again.AdministratorToken);
        Assert.Equal(HttpStatusCode.OK, (await again.Admin.GetAsync(Routes.Tokens, DoorsHost.Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await again.Client(old).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await again.Client(viewer).GetAsync(Routes.Me, DoorsHost.Stop)).StatusCode);
    }

    [Fact]
    public async Task Reset_of_a_folder_that_is_not_there_makes_none()
    {
        var nowhere = Path.Combine(Path.GetTempPath(), $"imgmt-nowhere-{Guid.NewGuid():N}");
        await using var reset = ImgmtProgram.Start("token", "reset", "--data", nowhere);

        Assert.Equal(2, await reset.ExitAsync());
        Assert.Contains("There is no folder", reset.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(nowhere));
    }
}
