//! Aligned tables of texts.

use unicode_width::UnicodeWidthStr;

/// A text that strangers wrote as a cell: on one line, and without anything that a terminal would act on.
pub(crate) fn cell(text: &str) -> String {
    crate::logging::escape(&text.replace(['\n', '\t'], " "))
}

/// The widths of columns. Cells are never cut; a longer one moves the rest of its line.
pub(crate) struct Table {
    widths: Vec<usize>,
}

impl Table {
    /// Columns that are at least as wide as these.
    pub(crate) fn with_widths(widths: Vec<usize>) -> Self {
        Self { widths }
    }

    /// A line of the table, with its end.
    pub(crate) fn line<S: AsRef<str>>(&self, cells: &[S]) -> String {
        let cells = cells.iter().zip(&self.widths).map(|(cell, width)| {
            let cell = cell.as_ref();
            format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
        });
        let mut line = cells.collect::<Vec<_>>().join("  ");
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// A whole table, as wide as its cells need.
pub(crate) fn render<H: AsRef<str>>(header: &[H], rows: &[impl AsRef<[String]>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|name| name.as_ref().width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(cell.width());
        }
    }
    let table = Table::with_widths(widths);
    let lines = rows.iter().map(|row| table.line(row.as_ref()));
    std::iter::once(table.line(header)).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            ["a", "latest", "sha256:1", "now", "built"],
            ["longer", "v1", "sha256:22", "n/a", ""],
        ];
        let rows: Vec<[String; 5]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
        let text = render(&["REPOSITORY", "TAG", "DIGEST", "CREATED", "SOURCE"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "REPOSITORY  TAG     DIGEST     CREATED  SOURCE");
        assert_eq!(lines[1], "a           latest  sha256:1   now      built");
        assert_eq!(lines[2], "longer      v1      sha256:22  n/a");
    }

    #[test]
    fn a_cell_that_is_too_long_is_whole() {
        let table = Table::with_widths(vec![2, 3]);
        assert_eq!(table.line(&["abcd", "e"]), "abcd  e\n");
    }

    #[test]
    fn cells_have_no_line_ends_and_no_escapes() {
        assert_eq!(cell("a\nb\x1b[2J"), "a b\\u{1b}[2J");
    }
}
