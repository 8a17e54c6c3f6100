using Spectre.Console;

namespace Orleans.ImageMgmt.Cli;

/// <summary>Progress on a terminal: the lines of <see cref="BarView"/>, drawn over and over in place.</summary>
internal static class LiveProgress
{
    public static IAnsiConsole ConsoleOf(Screen screen, Paint paint)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = paint.IsOn ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(screen.Out),
        });
        console.Profile.Width = screen.Width();
        console.Profile.Height = screen.Height();
        return console;
    }

    /// <summary>Shows pictures until they end, and leaves the last one standing.</summary>
    public static async Task<Picture?> ShowAsync(IAsyncEnumerable<Picture> pictures, Screen screen, Paint paint)
    {
        Picture? last = null;
        var console = ConsoleOf(screen, paint);
        await console.Live(new Text("")).AutoClear(false).Overflow(VerticalOverflow.Crop).StartAsync(async live =>
        {
            await foreach (var picture in pictures)
            {
                last = picture;
                console.Profile.Width = screen.Width();
                console.Profile.Height = screen.Height();
                live.UpdateTarget(new Rows(BarView.Lines(picture, screen.Width(), screen.Height()).Select(line => ToText(line, paint))));
            }
        });
        return last;
    }

    private static Paragraph ToText(IReadOnlyList<Piece> line, Paint paint)
    {
        var text = new Paragraph { Overflow = Overflow.Crop };
        foreach (var piece in line)
        {
            text.Append(piece.Text, paint.IsOn ? StyleOf(piece) : Style.Plain);
        }

        return text;
    }

    private static Style StyleOf(Piece piece) => piece switch
    {
        { Kind: StateKind.Good } => new Style(Color.Green),
        { Kind: StateKind.Bad } => new Style(Color.Red),
        { Kind: StateKind.Moving } => new Style(Color.Yellow),
        { IsDim: true } => new Style(decoration: Decoration.Dim),
        _ => Style.Plain,
    };
}
