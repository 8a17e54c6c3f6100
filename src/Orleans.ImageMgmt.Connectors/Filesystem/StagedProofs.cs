using Orleans.ImageMgmt.Content;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Connectors;

/// <summary>Hands the proofs of a receive on to the finalise of the same try, once. In memory only: a new process, another try or a proof
/// that is not here means that everything is read back.</summary>
internal sealed class StagedProofs
{
    /// <summary>Copies received and not yet finalised whose proofs are kept; of more than that the rest is read back again.</summary>
    private const int Kept = 64;

    private readonly Lock gate = new();
    private readonly Dictionary<VersionId, (CopyOrder Order, CopyProof Proof)> proofs = [];

    public void Keep(CopyOrder order, CopyProof? proof)
    {
        lock (gate)
        {
            proofs.Remove(order.Version);
            if (proof is not null && proofs.Count < Kept)
            {
                proofs[order.Version] = (order, proof);
            }
        }
    }

    public CopyProof? Take(CopyOrder order)
    {
        lock (gate)
        {
            return proofs.Remove(order.Version, out var kept) && kept.Order == order ? kept.Proof : null;
        }
    }

    public void Forget(VersionId version)
    {
        lock (gate)
        {
            proofs.Remove(version);
        }
    }
}
