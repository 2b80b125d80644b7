//! How the packets of one data source are laid out.
//!
//! A packet is laid out in a buffer of its data source and handed to the writer in one piece, so lines of several data
//! sources never mix, and neither do the rows of a list.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field, Packet, Shape};

use crate::calls::page::{self, Frame, Page};
use crate::calls::perfetto::{self, Perfetto};
use crate::calls::strace::Strace;
use crate::columns::{CLEAR_SCREEN, Table};
use crate::fields::{self, Item};
use crate::json::{Plan, Style};
use crate::mode::Mode;
use crate::{Error, SharedWriter, calls, notice, raw, yaml};

/// A buffer that had to grow beyond this for one packet is made smaller again.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Which columns a data source shows.
#[derive(Debug)]
pub(crate) enum Selection {
    Default,
    /// There are entries for other data sources only.
    Visible,
    Items(Vec<Item>),
    /// The list has fields that only other data sources have.
    Nothing,
}

impl Selection {
    fn columns(&self, source: &DataSource) -> Result<Vec<Arc<Field>>, Error> {
        Ok(match self {
            Selection::Default => fields::default_list(source),
            Selection::Visible => fields::without_entry(source),
            Selection::Items(items) => fields::resolve(items, source)?,
            Selection::Nothing => Vec::new(),
        })
    }
}

enum Form {
    Json(Plan, Style),
    Yaml(Plan, Vec<u8>),
    Columns(Option<Table>),
    Notice(Arc<Field>),
    Raw(Vec<Arc<Field>>),
    Calls(Picture, Option<calls::Fields>),
    Remarks(RemarkForm, calls::Remark),
}

/// Forms in which only calls can be shown.
enum Picture {
    Strace(Strace),
    Perfetto(Perfetto),
    Html(Arc<Frame>, Page),
}

/// What a notice is beside them.
enum RemarkForm {
    Line,
    Perfetto,
    Html(Arc<Frame>),
}

impl Picture {
    fn write(&mut self, fields: &calls::Fields, element: &Element, out: &mut Vec<u8>) {
        match self {
            Picture::Strace(strace) => strace.write(fields, element, out),
            Picture::Perfetto(trace) => trace.write(fields, element, out),
            Picture::Html(_, page) => page.write(fields, element, out),
        }
    }
}

impl RemarkForm {
    fn write(&self, remark: &calls::Remark, element: &Element, out: &mut Vec<u8>) {
        match self {
            RemarkForm::Line => notice::write(remark.text_field(), element, out),
            RemarkForm::Perfetto => perfetto::write_remark(remark, element, out),
            RemarkForm::Html(_) => page::write_remark(remark, element, out),
        }
    }
}

impl Form {
    fn new(source: &DataSource, mode: Mode, frame: &Arc<Frame>) -> Self {
        let frame = || Arc::clone(frame);
        let picture = |picture, remark| match calls::Remark::find(source) {
            Some(fields) => Form::Remarks(remark, fields),
            None => Form::Calls(picture, None),
        };
        match mode {
            Mode::Json => Form::Json(Plan::default(), Style::Compact),
            Mode::JsonPretty => Form::Json(Plan::default(), Style::Pretty),
            Mode::Yaml => Form::Yaml(Plan::default(), Vec::new()),
            Mode::Columns => notice::text_field(source).map_or(Form::Columns(None), Form::Notice),
            Mode::Strace => picture(Picture::Strace(Strace::default()), RemarkForm::Line),
            Mode::Perfetto => picture(Picture::Perfetto(Perfetto::default()), RemarkForm::Perfetto),
            Mode::Html => picture(
                Picture::Html(frame(), Page::default()),
                RemarkForm::Html(frame()),
            ),
            Mode::Raw(_) | Mode::None => Form::Raw(Vec::new()),
        }
    }

    /// The page that the events stand in, if it is one.
    fn frame(&self) -> Option<&Frame> {
        match self {
            Form::Calls(Picture::Html(frame, _), _) | Form::Remarks(RemarkForm::Html(frame), _) => {
                Some(frame)
            }
            _ => None,
        }
    }
}

/// The state of one data source.
pub(crate) struct Printer {
    form: Form,
    selection: Selection,
    terminal_width: Option<u16>,
    /// The screen is cleared before each list.
    clear: bool,
    /// The header of a single data source is still to be printed.
    header_due: bool,
    /// Number of fields when the form was planned.
    planned_fields: Option<usize>,
    line: Vec<u8>,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Printer")
            .field("selection", &self.selection)
            .finish_non_exhaustive()
    }
}

impl Printer {
    /// `clear` asks for a clear screen before each list; `frame` is shared by all that stand on one page.
    pub(crate) fn new(
        source: &DataSource,
        mode: Mode,
        frame: &Arc<Frame>,
        selection: Selection,
        terminal_width: Option<u16>,
        clear: bool,
    ) -> Self {
        Self {
            form: Form::new(source, mode, frame),
            selection,
            terminal_width,
            clear,
            header_due: source.shape() == Shape::Single,
            planned_fields: None,
            line: Vec::new(),
        }
    }

    /// Plans again when fields were added. The columns of a single data source stay as they are under their header.
    fn plan(&mut self, source: &DataSource) {
        if self.planned_fields == Some(source.field_count()) {
            return;
        }
        let all = source.fields();
        match &mut self.form {
            Form::Json(plan, _) | Form::Yaml(plan, _) => *plan = Plan::new(&all),
            Form::Raw(fields) => *fields = raw::fields(&all),
            Form::Notice(_) | Form::Remarks(..) => {}
            Form::Calls(_, fields) => *fields = calls::Fields::find(source),
            Form::Columns(table) => {
                let printed = source.shape() == Shape::Single && !self.header_due;
                if let Ok(selected) = self.selection.columns(source)
                    && !(printed && table.is_some())
                {
                    *table = Some(Table::new(&selected, &all, self.terminal_width));
                }
            }
        }
        self.planned_fields = Some(all.len());
    }

    /// Writes what comes before the first event.
    pub(crate) fn start(&mut self, source: &DataSource, writer: &SharedWriter) {
        self.line.clear();
        if let Form::Columns(_) = self.form {
            // Flags and orders of fields may have changed since the settings were checked.
            if self.header_due || source.shape() == Shape::Array {
                self.planned_fields = None;
            }
            self.plan(source);
            if source.shape() == Shape::Single {
                self.write_due_header();
            } else if self.clear {
                self.write_batch_header();
            }
        }
        if let Some(frame) = self.form.frame() {
            frame.begin(&mut self.line);
        }
        writer.write(&self.line);
    }

    /// Writes what comes behind the last event.
    pub(crate) fn finish(&mut self, writer: &SharedWriter) {
        self.line.clear();
        if let Some(frame) = self.form.frame() {
            frame.end(&mut self.line);
        }
        writer.write(&self.line);
    }

    /// Owes a single data source its header again.
    pub(crate) fn start_again(&mut self, shape: Shape) {
        self.header_due = shape == Shape::Single;
    }

    /// Writes a packet.
    pub(crate) fn print(&mut self, source: &DataSource, packet: &Packet, writer: &SharedWriter) {
        self.line.clear();
        self.plan(source);
        if let Some(frame) = self.form.frame() {
            frame.begin(&mut self.line);
        }
        match packet {
            Packet::Single(element) => {
                self.write_due_header();
                self.write_element(element);
            }
            Packet::Array(elements) => self.write_list(elements),
        }
        writer.write(&self.line);
        if self.line.capacity() > MAX_KEPT_BYTES {
            self.line = Vec::new();
        }
    }

    fn write_due_header(&mut self) {
        if std::mem::take(&mut self.header_due)
            && let Form::Columns(Some(table)) = &self.form
        {
            table.write_header(&mut self.line);
        }
    }

    fn write_batch_header(&mut self) {
        if let Form::Columns(Some(table)) = &self.form {
            if self.clear {
                self.line.extend_from_slice(CLEAR_SCREEN);
            }
            table.write_header(&mut self.line);
        }
    }

    fn write_element(&mut self, element: &Element) {
        match &mut self.form {
            Form::Json(plan, style) => {
                plan.write(element, *style, 0, &mut self.line);
                self.line.push(b'\n');
            }
            Form::Yaml(plan, scratch) => yaml::write(plan, element, scratch, &mut self.line),
            Form::Columns(Some(table)) => table.write_row(element, &mut self.line),
            Form::Columns(None) => {}
            Form::Notice(field) => notice::write(field, element, &mut self.line),
            Form::Calls(picture, Some(fields)) => picture.write(fields, element, &mut self.line),
            Form::Calls(_, None) => {}
            Form::Remarks(form, remark) => form.write(remark, element, &mut self.line),
            Form::Raw(fields) => {
                raw::write(
                    fields,
                    element,
                    self.terminal_width.is_some(),
                    &mut self.line,
                );
            }
        }
    }

    fn write_list(&mut self, elements: &[Element]) {
        if let Form::Json(plan, style) = &self.form {
            plan.write_list(elements, *style, &mut self.line);
            self.line.push(b'\n');
            return;
        }
        self.write_batch_header();
        for element in elements {
            self.write_element(element);
        }
    }
}
