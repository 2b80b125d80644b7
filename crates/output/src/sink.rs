//! The last subscriber: prints every packet of the data sources of a run on one writer.
//!
//! This file reads the settings and subscribes; how a packet is laid out is the printer's business.

use std::sync::Arc;

use gizmo_model::{DataSource, Edge, Flow, Payload, Subscription};

use crate::calls::page::Frame;
use crate::fields;
use crate::mode::{self, Mode};
use crate::press::Press;
use crate::printer::{Printer, Selection};
use crate::{Error, SharedWriter, notice};

/// Priority of the subscriptions; every other operator runs before.
pub const PRIORITY: i32 = 10_000;

/// What a person asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The value of `-o`, empty for the default modes.
    pub output: String,
    /// The value of `--fields`, empty for the default columns.
    pub fields: String,
    /// Columns of the terminal; `None` when the output is no terminal.
    pub terminal_width: Option<u16>,
}

/// The data sources of a run, printed.
#[derive(Debug)]
pub struct Output {
    press: Arc<Press>,
    modes: Vec<(String, Mode)>,
    warnings: Vec<String>,
}

impl Output {
    /// Subscribes to the data sources; all settings are checked before the first subscription.
    ///
    /// # Errors
    /// The settings cannot be read, or name a field, data source or mode that is not there.
    pub fn attach(
        sources: &[Arc<DataSource>],
        settings: &Settings,
        writer: SharedWriter,
    ) -> Result<Output, Error> {
        let plan = plan(sources, settings)?;
        let printed: Vec<_> = plan
            .printers
            .iter()
            .map(|(source, _)| Arc::clone(source))
            .collect();
        let press = Arc::new(Press::new(plan.printers, writer));
        for (printer, source) in printed.iter().enumerate() {
            subscribe(source, printer, &press)?;
        }
        Ok(Output {
            press,
            modes: plan.modes,
            warnings: plan.warnings,
        })
    }

    /// Prints what comes before the first event: the headers of single data sources, and a clear screen where asked
    /// for. Call it when all operators have added their fields; a row that comes earlier brings its header itself.
    pub fn start(&self) {
        self.press
            .each(|source, printer, writer| printer.start(source, writer));
    }

    /// Prints what comes behind the last event, and returns when everything is written, or dropped because writing failed.
    pub fn finish(&self) {
        self.press.each(|_, printer, writer| printer.finish(writer));
    }

    /// Lets the next row have a header above it again: what follows is a list of its own.
    pub fn start_again(&self) {
        self.press
            .each(|source, printer, _| printer.start_again(source.shape()));
    }

    /// The mode of each data source, by name.
    pub fn modes(&self) -> &[(String, Mode)] {
        &self.modes
    }

    /// What is left out of the output, to be logged.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn subscribe(source: &DataSource, printer: usize, press: &Arc<Press>) -> Result<(), Error> {
    let own = Arc::clone(press);
    source
        .subscribe(Subscription::Packet, PRIORITY, move |source, payload| {
            if let Payload::Packet(packet) = payload {
                own.print(printer, source, packet);
            }
            Flow::Continue
        })
        .map_err(Error::data_source(source.name()))?;
    let press = Arc::clone(press);
    source.on_batch(move |edge| match edge {
        Edge::Begin => press.begin(),
        Edge::End => press.end(),
    });
    Ok(())
}

/// What settings come to.
pub(crate) struct Plan {
    /// Of the data sources that are printed.
    pub(crate) printers: Vec<(Arc<DataSource>, Printer)>,
    modes: Vec<(String, Mode)>,
    /// What is left out, to be logged.
    pub(crate) warnings: Vec<String>,
}

/// Checks settings and makes a printer for each data source that is to be printed.
pub(crate) fn plan(sources: &[Arc<DataSource>], settings: &Settings) -> Result<Plan, Error> {
    let choice = mode::choose(&settings.output, sources)?;
    if settings.terminal_width.is_some()
        && let Some(mode) = choice.modes.iter().find(|mode| !mode.is_legible())
    {
        return Err(Error::NotForTerminal(mode.name().to_owned()));
    }
    let mut warnings = choice.warnings;
    let selections = selections(sources, &choice.modes, settings, &mut warnings)?;
    let mut plan = Plan {
        printers: Vec::new(),
        modes: Vec::new(),
        warnings,
    };
    let frame = Arc::default();
    for ((source, mode), selection) in sources.iter().zip(choice.modes).zip(selections) {
        plan.modes.push((source.name().to_owned(), mode.clone()));
        let nothing = matches!(&selection, Selection::Nothing) && mode == Mode::Columns;
        if mode != Mode::None && !nothing {
            let printer = printer(source, mode, &frame, selection, settings.terminal_width);
            plan.printers.push((Arc::clone(source), printer));
        }
    }
    Ok(plan)
}

fn printer(
    source: &DataSource,
    mode: Mode,
    frame: &Arc<Frame>,
    selection: Selection,
    terminal_width: Option<u16>,
) -> Printer {
    let clear = terminal_width.is_some()
        && source
            .annotation("cli.clear-screen-before")
            .is_some_and(|value| value == "true");
    Printer::new(source, mode, frame, selection, terminal_width, clear)
}

/// Checks `--fields` against every data source, whatever its mode, so that a typing error is found in all modes. A list
/// without a data source must be right for at least one of those printed as columns, or for any when there are none.
fn selections(
    sources: &[Arc<DataSource>],
    modes: &[Mode],
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Vec<Selection>, Error> {
    let Some(request) = fields::parse(&settings.fields)? else {
        return Ok(sources.iter().map(|_| Selection::Default).collect());
    };
    fields::check_sources(&request, sources)?;
    let relevant = |mode: &Mode| *mode == Mode::Columns || !modes.contains(&Mode::Columns);
    let mut selections = Vec::new();
    let mut failure = None;
    let mut matched = false;
    for (source, mode) in sources.iter().zip(modes) {
        let own = request.by_source.get(source.name());
        if own.is_none() && notice::text_field(source).is_some() {
            selections.push(Selection::Visible);
            continue;
        }
        let Some(items) = own.or(request.general.as_ref()) else {
            selections.push(Selection::Visible);
            continue;
        };
        match fields::resolve(items, source) {
            Ok(_) => {
                matched |= own.is_none() && relevant(mode);
                selections.push(Selection::Items(items.clone()));
            }
            Err(error) if own.is_some() => return Err(error),
            Err(error) => {
                if *mode == Mode::Columns {
                    warnings.push(format!("{error}; the data source is not printed"));
                }
                if relevant(mode) {
                    failure.get_or_insert(error);
                }
                selections.push(Selection::Nothing);
            }
        }
    }
    match failure {
        Some(error) if !matched => Err(error),
        _ => Ok(selections),
    }
}
