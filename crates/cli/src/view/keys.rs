//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::prompt::{Edited, Prompt, Purpose};
use super::state::View;

/// Characters by which calls move to the side.
const SHIFT: usize = 8;

/// The keys, for the person.
pub(super) const KEYS: [(&str, &str); 12] = [
    ("↑ ↓  k j", "one call up or down"),
    ("PgUp PgDn  b space", "a page up or down"),
    ("Home End  g G", "the first call, the last"),
    ("← →", "move long calls to the side"),
    ("Enter", "all that is known of a call; again: no more"),
    ("/", "search a text; small letters find large ones, too"),
    ("n N", "the next that has it, the one before"),
    (
        "f",
        "filter, such as `openat,failed` or `%network,duration>10ms`; nothing shows all",
    ),
    ("e E", "the next failed call, the one before"),
    (
        "s S",
        "the next slow call (the slowest hundredth), the one before",
    ),
    ("?", "these keys"),
    ("q  Ctrl-C", "end"),
];

impl View {
    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: KeyEvent) {
        if let Some(prompt) = &mut self.prompt {
            match prompt.press(key) {
                Edited::GoesOn => {}
                Edited::Left => {
                    self.prompt = None;
                    self.message.clear();
                }
                Edited::Done => self.answer(),
            }
            return;
        }
        self.message.clear();
        if std::mem::take(&mut self.has_help) {
            return;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            self.is_ended |= key.code == KeyCode::Char('c');
            return;
        }
        let page = self.height.saturating_sub(1).max(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc if !self.has_details => self.is_ended = true,
            KeyCode::Char('q') => self.is_ended = true,
            KeyCode::Esc => self.has_details = false,
            KeyCode::Up | KeyCode::Char('k') => self.go_to(self.selected.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go_to(self.selected + 1),
            KeyCode::PageUp | KeyCode::Char('b') => self.go_to(self.selected.saturating_sub(page)),
            KeyCode::PageDown | KeyCode::Char(' ') => self.go_to(self.selected + page),
            KeyCode::Home | KeyCode::Char('g') => self.go_to(0),
            KeyCode::End | KeyCode::Char('G') => self.go_to(usize::MAX),
            KeyCode::Left => self.shift = self.shift.saturating_sub(SHIFT),
            KeyCode::Right => self.shift += SHIFT,
            KeyCode::Enter => self.has_details = !self.has_details,
            KeyCode::Char('/') => self.prompt = Some(Prompt::new(Purpose::Search, "")),
            KeyCode::Char('f') => self.prompt = Some(Prompt::new(Purpose::Filter, &self.filter)),
            KeyCode::Char('n') => self.search_on(false),
            KeyCode::Char('N') => self.search_on(true),
            KeyCode::Char('e') => self.seek(false, "failed call", |_, row| row.has_failed),
            KeyCode::Char('E') => self.seek(true, "failed call", |_, row| row.has_failed),
            KeyCode::Char('s') => self.seek(false, &self.slow(), Self::is_slow),
            KeyCode::Char('S') => self.seek(true, &self.slow(), Self::is_slow),
            KeyCode::Char('?' | 'h') => self.has_help = true,
            _ => {}
        }
    }

    fn answer(&mut self) {
        let Some(prompt) = self.prompt.take() else {
            return;
        };
        self.message.clear();
        match prompt.purpose {
            Purpose::Search => {
                self.search = prompt.text();
                self.search_on(false);
            }
            Purpose::Filter => self.request(prompt.text()),
        }
    }

    fn search_on(&mut self, back: bool) {
        if self.search.is_empty() {
            self.message = vec!["nothing is searched for yet: press /".to_owned()];
            return;
        }
        let what = format!("`{}`", self.search);
        self.seek(back, &what, Self::is_found);
    }
}
