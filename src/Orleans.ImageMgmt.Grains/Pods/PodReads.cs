using Orleans.ImageMgmt.Client;
using Orleans.ImageMgmt.Domain;

namespace Orleans.ImageMgmt.Grains;

/// <summary>What a transfer asks of other pods' records.</summary>
internal static class PodReads
{
    /// <summary>The pod as its grain knows it.</summary>
    /// <exception cref="IOException">The grain does not answer: the caller's source is out of reach, which is no defect.</exception>
    public static async Task<Pod> ReadPodAsync(this IGrainFactory grains, PodName pod, CancellationToken cancellationToken)
    {
        try
        {
            return (await grains.GetPod(pod).GetAsync().WaitAsync(cancellationToken)).Pod;
        }
        catch (Exception problem) when (problem is TimeoutException or Runtime.OrleansException)
        {
            throw new IOException($"The record of pod {pod} could not be read: {problem.Message}", problem);
        }
    }
}
