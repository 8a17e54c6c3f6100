using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orleans.ImageMgmt.Api;
using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;
using Orleans.ImageMgmt.Grains;
using Role = Orleans.ImageMgmt.Domain.Role;

namespace Orleans.ImageMgmt.Host;

/// <summary>Tokens over HTTP: list, make, revoke, and who am I.</summary>
internal static class TokenEndpoints
{
    private const string Tag = "Access";

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet(Routes.Tokens, ListAsync).RequireAuthorization(Roles.Administrator).WithName("listTokens").WithTags(Tag)
            .WithSummary("List the tokens, by name").Produces<Page<TokenResource>>().ProducesProblem(StatusCodes.Status400BadRequest);
        app.MapPost(Routes.Tokens, CreateAsync).RequireAuthorization(Roles.Administrator).WithName("createToken").WithTags(Tag)
            .WithSummary("Make a token; it is shown this one time").Accepts<CreateTokenRequest>("application/json")
            .Produces<CreatedToken>(StatusCodes.Status201Created).ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status409Conflict);
        app.MapDelete(Routes.Token, RevokeAsync).RequireAuthorization(Roles.Administrator).WithName("revokeToken").WithTags(Tag)
            .WithSummary("Make a token useless at once").Produces(StatusCodes.Status204NoContent)
            .ProducesProblem(StatusCodes.Status404NotFound).ProducesProblem(StatusCodes.Status409Conflict);
        app.MapGet(Routes.Me, MeAsync).RequireAuthorization(Roles.Viewer).WithName("getMe").WithTags(Tag)
            .WithSummary("Who the token says you are").Produces<MeResource>();
    }

    private static async Task<IResult> ListAsync(HttpContext context, TokenDirectory tokens, string? limit, string? cursor)
    {
        List<FieldFault> faults = [];
        var rows = PageRequest.DefaultLimit;
        if (limit is not null && (!int.TryParse(limit, System.Globalization.NumberStyles.None, null, out rows) || rows is < 1 or > PageRequest.MaxLimit))
        {
            faults.Add(new FieldFault { Field = "limit", Code = "field.out-of-range", Message = $"A page has 1 to {PageRequest.MaxLimit} rows." });
        }

        var after = "";
        if (cursor is not null)
        {
            if (TokenName.TryCreate(cursor, out var name))
            {
                after = name.Value;
            }
            else
            {
                faults.Add(new FieldFault { Field = "cursor", Code = "cursor.invalid", Message = "This is no cursor that a list of tokens has given." });
            }
        }

        if (faults.Count > 0)
        {
            return Answers.Problem400(context, "The list cannot be made.", faults);
        }

        var left = (await tokens.AllAsync(context.RequestAborted)).Where(t => string.CompareOrdinal(t.Name.Value, after) > 0)
            .OrderBy(t => t.Name.Value, StringComparer.Ordinal).Take(rows + 1).ToList();
        return Ok(new Page<TokenResource> { Items = [.. left.Take(rows).Select(ToResource)], NextCursor = left.Count > rows ? left[rows - 1].Name.Value : null });
    }

    private static async Task<IResult> CreateAsync(HttpContext context, IGrainFactory grains, TokenChanges changes, TimeProvider time)
    {
        CreateTokenRequest? request;
        try
        {
            request = await JsonSerializer.DeserializeAsync<CreateTokenRequest>(context.Request.Body, ImageMgmtJson.Strict, context.RequestAborted);
        }
        catch (JsonException problem)
        {
            return Answers.Problem400(context, "The body is no request for a token.", [Fault(problem.Path is { Length: > 2 } path ? path[2..] : "body", "field.invalid", Sentence(problem))]);
        }

        var faults = Faults(request, time.GetUtcNow(), out var name);
        if (faults.Count > 0)
        {
            return Answers.Problem400(context, "The token cannot be made.", faults);
        }

        var secret = Secrets.New();
        var made = await grains.GetTokens().IssueAsync(new TokenOrder(name, (Role)request!.Role, Secrets.HashOf(secret)!.Value, request.ExpiresAt, RequestContext.By(context, request.Reason)));
        changes.Note();
        if (made.Refusal is { } refusal)
        {
            return Refused(context, refusal);
        }

        context.Response.Headers.Location = Routes.Tokens;
        return Results.Json(new CreatedToken { Token = secret, Resource = ToResource(made.Value!) }, ImageMgmtJson.Options, statusCode: StatusCodes.Status201Created);
    }

    private static async Task<IResult> RevokeAsync(HttpContext context, IGrainFactory grains, TokenChanges changes, string token, string? reason)
    {
        if (!TokenName.TryCreate(token, out var name))
        {
            return Answers.Problem400(context, "This is no name of a token.", [Fault("token", "field.invalid", $"A name has {TokenName.Rule}.")]);
        }

        if (reason is { Length: > Limits.DescriptionLength })
        {
            return Answers.Problem400(context, "The reason is too long.", [Fault("reason", "field.too-long", $"At most {Limits.DescriptionLength} characters.")]);
        }

        var done = await grains.GetTokens().RevokeAsync(name, RequestContext.By(context, reason));
        changes.Note();
        return done.Refusal is { } refusal ? Refused(context, refusal) : Results.NoContent();
    }

    private static async Task<IResult> MeAsync(HttpContext context, TokenDirectory tokens)
    {
        var token = (await tokens.AllAsync(context.RequestAborted)).First(t => t.Name.Value == context.User.Identity!.Name);
        return Ok(new MeResource { Name = token.Name.Value, Role = (Api.Role)token.Role, ExpiresAt = token.ExpiresAt });
    }

    private static List<FieldFault> Faults(CreateTokenRequest? request, DateTimeOffset now, out TokenName name)
    {
        name = default;
        if (request is null)
        {
            return [Fault("body", "field.missing", "A name and a role are needed.")];
        }

        List<FieldFault> faults = [];
        if (!TokenName.TryCreate(request.Name, out name))
        {
            faults.Add(Fault("name", "field.invalid", $"A name has {TokenName.Rule}."));
        }

        if (request.ExpiresAt <= now)
        {
            faults.Add(Fault("expiresAt", "field.in-the-past", "The token would be expired before it is used."));
        }

        if (request.Reason is { Length: > Limits.DescriptionLength })
        {
            faults.Add(Fault("reason", "field.too-long", $"At most {Limits.DescriptionLength} characters."));
        }

        return faults;
    }

    private static FieldFault Fault(string field, string code, string message) => new() { Field = field, Code = code, Message = message };

    /// <summary>The first sentence; the rest names types of the program.</summary>
    private static string Sentence(JsonException problem) => problem.Path is { Length: > 2 } path ? $"The value of {path[2..]} cannot be read, or is not known here." : "The body is no JSON object with the fields name and role.";

    private static IResult Refused(HttpContext context, Refusal refusal) => refusal.Code == "token.unknown"
        ? Answers.Of(context, StatusCodes.Status404NotFound, "There is no such token", refusal)
        : Answers.Of(context, StatusCodes.Status409Conflict, "The tokens do not allow this", refusal);

    private static IResult Ok<T>(T value) => Results.Json(value, ImageMgmtJson.Options);

    private static TokenResource ToResource(AccessToken token) => new()
    {
        Name = token.Name.Value,
        Role = (Api.Role)token.Role,
        CreatedAt = token.CreatedAt,
        ExpiresAt = token.ExpiresAt,
        LastUsedAt = token.LastUsedAt,
        RevokedAt = token.RevokedAt,
    };
}
