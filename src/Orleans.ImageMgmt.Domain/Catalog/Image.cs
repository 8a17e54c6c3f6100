using System.Text.Json.Serialization;

namespace Orleans.ImageMgmt.Domain;

/// <summary>How an image stands, derived from its versions.</summary>
public enum ImageStatus
{
    /// <summary>Its first version is being imported.</summary>
    Importing,

    /// <summary>Some version is usable.</summary>
    Available,

    /// <summary>The only import failed.</summary>
    Failed,

    /// <summary>No new use of any version.</summary>
    Disabled,

    /// <summary>Its versions are being removed.</summary>
    Deleting,

    /// <summary>Gone; the record stays for history.</summary>
    Deleted,

    /// <summary>Imported, and no version is usable yet.</summary>
    DeploymentComplete,
}

/// <summary>What the image keeps of one of its versions.</summary>
/// <param name="Name">Which version.</param>
/// <param name="Status">How it stands.</param>
/// <param name="IsUsable">Whether it can be used.</param>
/// <param name="Import">The operation that imported it.</param>
/// <param name="From">The version it was made from; null: none.</param>
/// <param name="Source">What is taken on the source pod.</param>
/// <param name="Description">Free text.</param>
/// <param name="By">Who asked for the import.</param>
/// <param name="IsBegun">Whether the version itself has stored the import.</param>
/// <param name="Pod">Its source pod.</param>
/// <param name="Revision">The <see cref="Version.Revision"/> that this was heard at.</param>
[GenerateSerializer, Immutable, Alias(Aliases.VersionEntry)]
public sealed record VersionEntry(
    [property: Id(0)] VersionName Name,
    [property: Id(1)] VersionStatus Status,
    [property: Id(2)] bool IsUsable,
    [property: Id(3)] OperationId Import,
    [property: Id(4)] VersionName? From,
    [property: Id(5)] SourceRef Source,
    [property: Id(6)] string Description,
    [property: Id(7)] RequestedBy By,
    [property: Id(8)] bool IsBegun,
    [property: Id(9)] PodName Pod,
    [property: Id(10)] long Revision = 0);

/// <summary>A named collection of versions.</summary>
[GenerateSerializer, Immutable, Alias(Aliases.Image)]
public sealed record Image
{
    /// <summary>The image's name.</summary>
    [Id(0)] public required ImageName Name { get; init; }

    /// <summary>False until an import registered it, and again when its only import was refused.</summary>
    [Id(1)] public bool Exists { get; init; }

    /// <summary>What kind of pod can run it; set by the first import.</summary>
    [Id(2)] public string Family { get; init; } = "";

    /// <summary>The pod of the first import; null until there was one.</summary>
    [Id(3)] public PodName? SourcePod { get; init; }

    /// <summary>Of the first import; at most <see cref="Limits.DescriptionLength"/> characters.</summary>
    [Id(4)] public string Description { get; init; } = "";

    /// <summary>Every version, deleted ones included; at most <see cref="Limits.VersionsPerImage"/>.</summary>
    [Id(5)] public IReadOnlyList<VersionEntry> Versions { get; init; } = [];

    /// <summary>No new use of any version, whatever the versions themselves say.</summary>
    [Id(6)] public bool IsDisabled { get; init; }

    /// <summary>When it was imported first, UTC.</summary>
    [Id(7)] public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When this record last changed, UTC.</summary>
    [Id(8)] public DateTimeOffset ChangedAt { get; init; }

    /// <summary>The operation that removes the whole image.</summary>
    [Id(9)] public OperationId? Delete { get; init; }

    /// <summary>When the delete was asked, UTC; null: it was not.</summary>
    [Id(10)] public DateTimeOffset? DeleteBeganAt { get; init; }

    /// <summary>How it stands, derived from the rest.</summary>
    [JsonIgnore]
    public ImageStatus Status => ImageMachine.StatusOf(this);
}

/// <summary>What is asked of an image, and what the world reports about it.</summary>
public abstract record ImageCommand
{
    private ImageCommand()
    {
    }

    /// <summary>Register a version and have it prepared: 1.0 of a new image, or a later one.</summary>
    /// <param name="Operation">The operation it belongs to.</param>
    /// <param name="Version">Which version.</param>
    /// <param name="From">The version it was made from; null: none.</param>
    /// <param name="Family">What kind of pod can run it.</param>
    /// <param name="Pod">The source pod.</param>
    /// <param name="Source">What is taken on the source pod.</param>
    /// <param name="Description">Free text.</param>
    /// <param name="By">Who asks, from where and why.</param>
    public sealed record Import(OperationId Operation, VersionName Version, VersionName? From, string Family, PodName Pod, SourceRef Source, string Description, RequestedBy By) : ImageCommand;

    /// <summary>The version grain has stored the import.</summary>
    /// <param name="Version">Which version.</param>
    /// <param name="Operation">The import.</param>
    public sealed record VersionBegun(VersionName Version, OperationId Operation) : ImageCommand;

    /// <summary>The version refused the import after all: the image knew it as it was before.</summary>
    /// <param name="Version">Which version.</param>
    /// <param name="Operation">The import that it refused.</param>
    /// <param name="Status">How the version stands: the entry keeps the import's record and shows this. Null: there is no such version.</param>
    /// <param name="IsUsable">Whether it can be used.</param>
    public sealed record VersionRefused(VersionName Version, OperationId Operation, VersionStatus? Status = null, bool IsUsable = false) : ImageCommand;

    /// <summary>A version says how it stands.</summary>
    /// <param name="Version">Which.</param>
    /// <param name="Status">Its status.</param>
    /// <param name="IsUsable">Whether it can be used.</param>
    /// <param name="Revision">The version's <see cref="Domain.Version.Revision"/> when it said so: an older word that comes late changes nothing.</param>
    /// <param name="ImportedBy">The version's newest import when it said so: a word about an earlier one must not pass for the one that was registered and not handed over yet.
    /// Null: about whichever is registered.</param>
    public sealed record VersionChanged(VersionName Version, VersionStatus Status, bool IsUsable, long Revision = long.MaxValue, OperationId? ImportedBy = null) : ImageCommand;

    /// <summary>Stop new use of every version.</summary>
    public sealed record Disable : ImageCommand;

    /// <summary>Allow new use again.</summary>
    public sealed record Enable : ImageCommand;

    /// <summary>Remove every version with all its copies.</summary>
    /// <param name="Operation">The delete.</param>
    public sealed record BeginDelete(OperationId Operation) : ImageCommand;
}

/// <summary>What happened to an image.</summary>
public abstract record ImageEvent
{
    private ImageEvent()
    {
    }

    /// <summary>It is in the catalog, for the first time or anew.</summary>
    /// <param name="Family">What kind of pod can run it.</param>
    /// <param name="Pod">The pod of the import.</param>
    /// <param name="Description">Free text.</param>
    public sealed record Registered(string Family, PodName Pod, string Description) : ImageEvent;

    /// <summary>A version was registered.</summary>
    /// <param name="Entry">What the image keeps of it.</param>
    public sealed record VersionAdded(VersionEntry Entry) : ImageEvent;

    /// <summary>A version stands in another way.</summary>
    /// <param name="Entry">What the image keeps of it.</param>
    public sealed record VersionUpdated(VersionEntry Entry) : ImageEvent;

    /// <summary>A version's import was refused after all.</summary>
    /// <param name="Version">Which version.</param>
    public sealed record VersionRemoved(VersionName Version) : ImageEvent;

    /// <summary>New use was stopped.</summary>
    public sealed record WasDisabled : ImageEvent;

    /// <summary>New use was allowed again.</summary>
    public sealed record WasEnabled : ImageEvent;

    /// <summary>A delete of the whole image was asked.</summary>
    /// <param name="Operation">The delete.</param>
    public sealed record DeleteBegan(OperationId Operation) : ImageEvent;
}

/// <summary>What to do next about an image.</summary>
public abstract record ImageStep
{
    private ImageStep()
    {
    }

    /// <summary>Nothing, until somebody asks.</summary>
    public sealed record Rest : ImageStep;

    /// <summary>Hand these registered imports to their version grains; repeated until each is begun.</summary>
    /// <param name="Entries">What the image keeps of each.</param>
    public sealed record BeginVersions(IReadOnlyList<VersionEntry> Entries) : ImageStep;

    /// <summary>Have these versions deleted; repeated until each says that it is gone.</summary>
    /// <param name="Versions">Their names.</param>
    public sealed record DeleteVersions(IReadOnlyList<VersionName> Versions) : ImageStep;
}

/// <summary>The rules of an image's life.</summary>
public static class ImageMachine
{
    /// <summary>An image of which nothing is known.</summary>
    public static Image Initial(ImageName name) => new() { Name = name };

    /// <summary>How an image stands, from its versions and its own switches.</summary>
    public static ImageStatus StatusOf(Image image)
    {
        var live = image.Versions.Where(v => v.Status != VersionStatus.Deleted).ToList();
        if (live.Count == 0)
        {
            return image.Versions.Count == 0 ? ImageStatus.Importing : ImageStatus.Deleted;
        }

        // What is going away counts least, then what failed, then what is disabled: the rest says how the image stands.
        var staying = live.Where(v => v.Status != VersionStatus.Deleting).ToList();
        var sound = staying.Where(v => v.Status != VersionStatus.Failed).ToList();
        var open = sound.Where(v => v.Status != VersionStatus.Disabled).ToList();
        return image switch
        {
            { Delete: not null } => ImageStatus.Deleting,
            { IsDisabled: true } => ImageStatus.Disabled,
            _ when live.Any(v => v.IsUsable) => ImageStatus.Available,
            _ when staying.Count == 0 => ImageStatus.Deleting,
            _ when sound.Count == 0 => ImageStatus.Failed,
            _ when open.Count == 0 => ImageStatus.Disabled,
            _ when open.All(v => v.Status == VersionStatus.Importing) => ImageStatus.Importing,
            _ => ImageStatus.DeploymentComplete,
        };
    }

    /// <summary>What a command leads to. A command that comes again leads to nothing; one that breaks a rule is refused.</summary>
    public static Decision<ImageEvent> Decide(Image image, ImageCommand command) => command switch
    {
        ImageCommand.Import c => DecideImport(image, c),
        ImageCommand.VersionBegun c => Find(image, c.Version) is { IsBegun: false } entry && entry.Import == c.Operation
            ? Of(new ImageEvent.VersionUpdated(entry with { IsBegun = true })) : Nothing,
        ImageCommand.VersionRefused c => Find(image, c.Version) is { IsBegun: false } entry && entry.Import == c.Operation
            ? Of(c.Status is { } status
                ? new ImageEvent.VersionUpdated(entry with { IsBegun = true, Status = status, IsUsable = c.IsUsable })
                : new ImageEvent.VersionRemoved(c.Version)) : Nothing,
        ImageCommand.VersionChanged c => Find(image, c.Version) is { } entry && c.Revision >= entry.Revision && (entry.IsBegun || (c.ImportedBy ?? entry.Import) == entry.Import)
            && (entry.Status != c.Status || entry.IsUsable != c.IsUsable || !entry.IsBegun || IsNewer(entry, c))
            ? Of(new ImageEvent.VersionUpdated(entry with
            {
                IsBegun = true, Status = c.Status, IsUsable = c.IsUsable, Revision = c.Revision == long.MaxValue ? entry.Revision : c.Revision,
            })) : Nothing,
        ImageCommand.Disable => Missing(image) ?? (image.IsDisabled ? Nothing : Of(new ImageEvent.WasDisabled())),
        ImageCommand.Enable => Missing(image) ?? (image.IsDisabled ? Of(new ImageEvent.WasEnabled()) : Nothing),
        ImageCommand.BeginDelete c => DecideDelete(image, c.Operation),
        _ => throw new NotSupportedException(command.ToString()),
    };

    /// <summary>A word that says the same again is kept too, for its revision: a word between the two that comes late would else pass for the newest.</summary>
    private static bool IsNewer(VersionEntry entry, ImageCommand.VersionChanged word) => word.Revision != long.MaxValue && word.Revision > entry.Revision;

    /// <summary>The record after something happened. Takes whatever was decided; refuses nothing.</summary>
    public static Image Evolve(Image image, ImageEvent happened, DateTimeOffset now)
    {
        var changed = image with { ChangedAt = now };
        return happened switch
        {
            // A deleted image that is imported anew keeps the entries of its deleted versions: they are its history.
            ImageEvent.Registered e => changed with
            {
                Exists = true, Family = e.Family, SourcePod = e.Pod, Description = e.Description, IsDisabled = false, CreatedAt = now,
                Delete = null, DeleteBeganAt = null,
            },
            ImageEvent.VersionAdded e => changed with { Versions = [.. image.Versions.Where(v => v.Name != e.Entry.Name), e.Entry] },
            ImageEvent.VersionUpdated e => changed with { Versions = [.. image.Versions.Select(v => v.Name == e.Entry.Name ? e.Entry : v)] },
            // An image whose only import was refused was never there.
            ImageEvent.VersionRemoved e => changed with
            {
                Versions = [.. image.Versions.Where(v => v.Name != e.Version)], Exists = image.Versions.Any(v => v.Name != e.Version),
            },
            ImageEvent.WasDisabled => changed with { IsDisabled = true },
            ImageEvent.WasEnabled => changed with { IsDisabled = false },
            ImageEvent.DeleteBegan e => changed with { Delete = e.Operation, DeleteBeganAt = now },
            _ => throw new NotSupportedException(happened.ToString()),
        };
    }

    /// <summary>What to do now, from the record and the clock alone: so that a crash is just another start.</summary>
    public static ImageStep Next(Image image)
    {
        var waiting = image.Versions.Where(v => !v.IsBegun).ToList();
        var doomed = image.Delete is null ? [] : image.Versions.Where(v => v.IsBegun && v.Status != VersionStatus.Deleted).Select(v => v.Name).ToList();
        return (waiting.Count, doomed.Count) switch
        {
            (> 0, _) => new ImageStep.BeginVersions(waiting),
            (_, > 0) => new ImageStep.DeleteVersions(doomed),
            _ => new ImageStep.Rest(),
        };
    }

    private static Decision<ImageEvent> DecideImport(Image image, ImageCommand.Import c)
    {
        if (image.Versions.Any(v => v.Import == c.Operation))
        {
            return Nothing; // the same request again
        }

        var isNew = !image.Exists || StatusOf(image) == ImageStatus.Deleted || image.Versions.Count == 0;
        if (!isNew && image.Delete is not null)
        {
            return Decision<ImageEvent>.Refuse("image.deleting", $"Image {image.Name} is being deleted.", "Wait until it is gone, or import it as another image.");
        }

        if (!isNew && image.Family != c.Family)
        {
            return Decision<ImageEvent>.Refuse("image.family-mismatch",
                $"Image {image.Name} is of family {image.Family}; pod {c.Pod} is of family {c.Family}.", "Import it as another image.");
        }

        if (Find(image, c.Version) is { Status: not (VersionStatus.Failed or VersionStatus.Deleted) } known)
        {
            return Decision<ImageEvent>.Refuse("version.exists", $"{image.Name}/{c.Version} is already {Words.Shown(known.Status)}.", "Choose another version name.");
        }

        if (c.From is { } from && Find(image, from) is null)
        {
            return Decision<ImageEvent>.Refuse("version.unknown-parent", $"{image.Name} has no version {from} to come from.", "Name one of the image's versions.");
        }

        if (c.Description.Length > Limits.DescriptionLength)
        {
            return Decision<ImageEvent>.Refuse("version.description-too-long",
                $"The description has {c.Description.Length} characters; at most {Limits.DescriptionLength} are kept.", "Shorten it.");
        }

        if (image.Versions.Count >= Limits.VersionsPerImage)
        {
            return Decision<ImageEvent>.Refuse("image.too-many-versions", $"Image {image.Name} has {Limits.VersionsPerImage} versions.", "Begin a new image.");
        }

        var added = new ImageEvent.VersionAdded(new VersionEntry(c.Version, VersionStatus.Importing, false, c.Operation, c.From, c.Source, c.Description, c.By, false, c.Pod));
        return isNew
            ? Decision<ImageEvent>.Of(new ImageEvent.Registered(c.Family, c.Pod, c.Description), added)
            : Of(added);
    }

    private static Decision<ImageEvent> DecideDelete(Image image, OperationId operation)
    {
        if (image.Delete is not null && StatusOf(image) != ImageStatus.Deleted)
        {
            return Nothing; // already being deleted
        }

        if (Missing(image) is { } missing)
        {
            return missing;
        }

        List<VersionName> busy = [.. image.Versions.Where(v => v.Status is VersionStatus.Importing or VersionStatus.Publishing or VersionStatus.Replicating).Select(v => v.Name)];
        return busy.Count > 0
            ? Decision<ImageEvent>.Refuse("image.busy", $"Of image {image.Name}, work goes on at version {string.Join(", ", busy)}.", "Cancel the open operations first, or wait for them.")
            : Of(new ImageEvent.DeleteBegan(operation));
    }

    private static VersionEntry? Find(Image image, VersionName version) => image.Versions.FirstOrDefault(v => v.Name == version);

    private static Decision<ImageEvent>? Missing(Image image) => image.Exists && StatusOf(image) != ImageStatus.Deleted ? null
        : Decision<ImageEvent>.Refuse("image.unknown", $"There is no image {image.Name}.", "List the images to see which exist.");

    private static Decision<ImageEvent> Of(ImageEvent happened) => Decision<ImageEvent>.Of(happened);

    private static Decision<ImageEvent> Nothing => Decision<ImageEvent>.Nothing;
}
