using Xunit;

namespace Orleans.ImageMgmt.Content.Tests.Blocks;

/// <summary>What one request names, as text.</summary>
public class NumberRunsTests
{
    [Theory]
    [InlineData("3,251", new long[] { 3, 255 })]
    [InlineData("10+2", new long[] { 10, 11, 12 })]
    [InlineData("0+1,1,1099511627776", new long[] { 0, 1, 3, 1099511627780 })]
    public void Text_and_numbers_are_one_for_one(string text, long[] numbers)
    {
        Assert.Equal(text, NumberRuns.Of(numbers).ToString());
        var read = NumberRuns.TryParse(text);
        Assert.Equal(numbers, read!.Numbers);
        Assert.Equal((numbers.Length, numbers[0]), (read.Count, read.First));
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("3,")]
    [InlineData("3,0")]
    [InlineData("03")]
    [InlineData("-1")]
    [InlineData("3 1")]
    [InlineData("3+")]
    [InlineData("3+0")]
    [InlineData("3+511")]
    [InlineData("3+510,1")]
    [InlineData("3+9223372036854775807")]
    [InlineData("9999999999999999")]
    public void What_names_nothing_or_too_much_or_has_another_form_is_none(string text) => Assert.Null(NumberRuns.TryParse(text));

    [Fact]
    public void Every_set_comes_back_from_its_text_and_none_is_longer_than_an_address_may_be()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            long at = random.Next(3);
            var numbers = new List<long>();
            var count = round == 0 ? NumberRuns.MaxCount : random.Next(1, NumberRuns.MaxCount + 1);
            for (var i = 0; i < count; i++)
            {
                numbers.Add(at);
                at += random.Next(3) == 0 ? 1 : random.Next(1, round == 0 ? 1 << 30 : 600);
            }

            var text = NumberRuns.Of(numbers).ToString();
            Assert.True(numbers.SequenceEqual(NumberRuns.TryParse(text)!.Numbers), $"seed {seed}, round {round}: {text}");
            Assert.InRange(text.Replace("+", "%2B", StringComparison.Ordinal).Length, 1, 6 << 10); // with 2 KiB for the rest, what servers and proxies take
        }
    }

    [Fact]
    public void Numbers_that_do_not_rise_and_more_than_a_request_may_name_are_bugs()
    {
        var runs = NumberRuns.Of([4]);
        Assert.Throws<ArgumentOutOfRangeException>(() => runs.Add(4));
        Assert.Throws<ArgumentOutOfRangeException>(() => NumberRuns.Of(Enumerable.Range(0, NumberRuns.MaxCount + 1).Select(i => (long)i)));
    }
}
