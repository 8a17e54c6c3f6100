namespace Orleans.ImageMgmt.Content;

/// <summary>How much of a copy is read back from the disk before it is called proved.</summary>
public enum ReadBackPolicy
{
    /// <summary>Every chunk is read past the page cache and hashed.</summary>
    Each,

    /// <summary>Every chunk is hashed before it is written, and one of <see cref="ReadBehind.SampleEvery"/> is read back as with <see cref="Each"/>. One that
    /// is wrong has all of them read back.</summary>
    Sampled,
}
