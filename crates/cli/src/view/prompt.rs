//! A line that a person writes.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Search,
    Filter,
}

/// What a key has done to the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// It is still written.
    GoesOn,
    /// It is meant so.
    Done,
    /// It is not wanted any more.
    Left,
}

/// A line on its way.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    text: Vec<char>,
    /// Characters before the cursor.
    cursor: usize,
}

impl Prompt {
    pub(super) fn new(purpose: Purpose, text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self {
            purpose,
            cursor: text.len(),
            text,
        }
    }

    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> String {
        self.text[..self.cursor].iter().collect()
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Edited {
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Edited::Done,
            KeyCode::Esc => return Edited::Left,
            KeyCode::Char('c') if has_control => return Edited::Left,
            KeyCode::Char('u') if has_control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('w') if has_control => self.delete_word(),
            KeyCode::Char(character) if !has_control => {
                self.text.insert(self.cursor, character);
                self.cursor += 1;
            }
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => {}
        }
        Edited::GoesOn
    }

    fn delete_word(&mut self) {
        let before = &self.text[..self.cursor];
        let blanks = before
            .iter()
            .rev()
            .take_while(|c| c.is_whitespace())
            .count();
        let letters = before[..before.len() - blanks]
            .iter()
            .rev()
            .take_while(|c| !c.is_whitespace())
            .count();
        let from = self.cursor - blanks - letters;
        self.text.drain(from..self.cursor);
        self.cursor = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_and_mended() {
        let mut prompt = Prompt::new(Purpose::Filter, "open fa\u{e9}");
        let mut press = |code, modifiers| prompt.press(KeyEvent::new(code, modifiers));
        let plain = KeyModifiers::NONE;
        press(KeyCode::Backspace, plain);
        press(KeyCode::Char('i'), plain);
        press(KeyCode::Home, plain);
        press(KeyCode::Delete, plain);
        press(KeyCode::Char('O'), KeyModifiers::SHIFT);
        press(KeyCode::Left, plain);
        press(KeyCode::Left, plain);
        press(KeyCode::End, plain);
        press(KeyCode::Right, plain);
        press(KeyCode::Char('x'), KeyModifiers::ALT);
        assert_eq!(press(KeyCode::Enter, plain), Edited::Done);
        assert_eq!(prompt.text(), "Open faix");
        prompt.press(KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!(
            (prompt.text(), prompt.before_cursor()),
            ("Open ".into(), "Open ".into())
        );
        prompt.press(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        assert_eq!(prompt.text(), "");
        let escape = KeyEvent::new(KeyCode::Esc, plain);
        assert_eq!(prompt.press(escape), Edited::Left);
    }
}
