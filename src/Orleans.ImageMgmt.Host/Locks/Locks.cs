using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Orleans.ImageMgmt.Host;

/// <summary>Who may come in: listening addresses, tokens, roles, limits.</summary>
internal static class Locks
{
    /// <summary>Folder of the keys that protect sessions and forms, inside the data folder.</summary>
    public const string KeysFolder = "session-keys";

    /// <exception cref="SettingsException">The settings of HTTP cannot be used; the message lists every fault.</exception>
    public static void AddLocks(this WebApplicationBuilder builder, HostSettings settings, HttpOptions http)
    {
        if (http.Faults() is { Count: > 0 } faults)
        {
            throw new SettingsException(string.Join(' ', faults.Select(fault => "Http:" + fault)));
        }

        var address = ListenAddress.Parse(http, out _)!;
        builder.AddListening(http, address);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(http).AddSingleton(settings).AddSingleton(address);
        builder.Services.AddSingleton<ServerCertificate>();
        builder.Services.AddSingleton<TokenDirectory>();
        builder.Services.AddSingleton<TokenUse>();
        builder.Services.AddHostedService(services => services.GetRequiredService<TokenUse>());
        builder.Services.AddHostedService<FirstStart>();
        builder.Services.AddRouting();
        AddRoles(builder.Services);
        AddSessions(builder, settings);
        if (http.Dashboard && settings.Cluster.HasSilo)
        {
            builder.UseOrleans(silo => silo.AddDashboardDoor());
        }
        else if (http.Dashboard)
        {
            builder.UseOrleansClient(client => client.AddDashboardDoor());
        }
    }

    public static void UseLocks(this WebApplication app)
    {
        app.UseRouting();
        app.UseMiddleware<Shield>();
        app.UseMiddleware<CrowdGate>();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseMiddleware<TokenGate>();
    }

    /// <summary>The pages that people use, and the tokens.</summary>
    public static void MapLocks(this WebApplication app)
    {
        SignIn.Map(app);
        TokenEndpoints.Map(app);
        if (app.Services.GetRequiredService<HttpOptions>().Dashboard)
        {
            DashboardDoor.Map(app);
        }
    }

    /// <summary>Closed unless an endpoint says otherwise: what nobody thought of wants a token too.</summary>
    private static void AddRoles(IServiceCollection services)
    {
        services.AddAuthentication(TokenAuthentication.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, TokenAuthentication>(TokenAuthentication.SchemeName, null);
        services.AddAuthorization(options =>
        {
            foreach (var role in Roles.All)
            {
                options.AddPolicy(role, policy => policy.RequireAuthenticatedUser().RequireRole(Roles.From(role)));
            }

            options.DefaultPolicy = options.GetPolicy(Roles.Viewer)!;
            options.FallbackPolicy = options.GetPolicy(Roles.Viewer)!;
        });
    }

    private static void AddSessions(WebApplicationBuilder builder, HostSettings settings)
    {
        builder.Services.AddSingleton<Sessions>();
        var protection = builder.Services.AddDataProtection().SetApplicationName("imgmt");
        if (settings.Cluster.IsOn)
        {
            SharedKeys.Add(builder.Services, SharedSecret.Read(settings));
        }
        else
        {
            var keys = Path.Combine(Path.GetFullPath(settings.DataDirectory), KeysFolder);
            PrivateFiles.MakeFolder(keys);
            protection.PersistKeysToFileSystem(new DirectoryInfo(keys));
        }

        builder.Services.AddAntiforgery(forms =>
        {
            forms.Cookie.Name = "imgmt-form";
            forms.Cookie.HttpOnly = true;
            forms.Cookie.SameSite = SameSiteMode.Strict;
            forms.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            forms.SuppressXFrameOptionsHeader = true; // ours is stricter
        });
        // It warns that the keys are not encrypted: they lie in a folder that only this user can read, as the database does.
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
        builder.Logging.AddFilter("Polly", LogLevel.Warning); // Orleans' placement says each attempt at Information
        builder.Logging.AddFilter("Microsoft.AspNetCore.Antiforgery", LogLevel.Critical); // a bad form is answered, not an error
    }
}
