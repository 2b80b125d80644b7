//! Containers as they come and go.

use std::sync::Arc;
use std::time::Instant;

use gizmo_containers::{Collection, ContainerEvent, Selector};
use gizmo_model::container::Container;
use jiff::Timestamp;
use tracing::warn;

use super::columns::Columns;
use super::inbox::Inbox;
use super::{LIMIT, json, wait_listed, write};
use crate::table::Table;

/// Events that may wait for a slow reader.
const QUEUE: usize = 16 * 1024;

/// What happened to a container, and when.
pub(super) struct Happened {
    /// `CREATED` or `DELETED`.
    pub(super) event: &'static str,
    /// RFC 3339.
    pub(super) timestamp: String,
}

/// Shows what runs, then what happens, until a signal, the deadline, or until nobody reads any more.
///
/// # Errors
/// The output cannot be written, signals cannot be caught.
pub(super) fn run(
    collection: &Collection,
    selector: &Selector,
    columns: Option<&Columns>,
    deadline: Option<Instant>,
) -> anyhow::Result<()> {
    // What happens while the first list is made is in the queue, and not said twice.
    let inbox = Inbox::new(collection.subscribe(QUEUE), deadline)?;
    let printer = Printer::new(columns);
    printer.begin()?;
    let left = deadline.map_or(LIMIT, |it| it.saturating_duration_since(Instant::now()));
    wait_listed(collection, LIMIT.min(left));
    let mut shown = Shown {
        selector,
        containers: Vec::new(),
    };
    for container in collection.containers() {
        if let Some(change) = shown.runs(&container) {
            printer.print(&change)?;
        }
    }
    while let Some(event) = inbox.next() {
        let changes = match event {
            ContainerEvent::Added(it) | ContainerEvent::Named(it) => {
                shown.runs(&it).into_iter().collect()
            }
            ContainerEvent::Removed(it) => shown.ended(&it).into_iter().collect(),
            ContainerEvent::Lost(events) => {
                warn!(
                    events,
                    "too many events; containers that ran only for a moment may be missing"
                );
                shown.compare(&collection.containers())
            }
            _ => Vec::new(),
        };
        for change in changes {
            printer.print(&change)?;
        }
    }
    Ok(())
}

/// A line to be printed.
#[derive(Debug, PartialEq)]
enum Change {
    Created(Arc<Container>),
    Deleted(Arc<Container>),
}

/// The containers that were shown and have not ended.
struct Shown<'a> {
    selector: &'a Selector,
    containers: Vec<Arc<Container>>,
}

impl Shown<'_> {
    fn position(&self, container: &Container) -> Option<usize> {
        let agree = |one: &str, other: &str| one.is_empty() || other.is_empty() || one == other;
        self.containers.iter().position(|it| {
            it.id == container.id && agree(&it.runtime_namespace, &container.runtime_namespace)
        })
    }

    /// A container runs, or more is known about it.
    fn runs(&mut self, container: &Arc<Container>) -> Option<Change> {
        if let Some(known) = self.position(container) {
            self.containers[known] = Arc::clone(container);
            return None;
        }
        // Before its name is known, nobody can say whether it is meant.
        let is_clear = self.selector.is_empty() || !container.name.is_empty();
        (is_clear && self.selector.matches(container)).then(|| {
            self.containers.push(Arc::clone(container));
            Change::Created(Arc::clone(container))
        })
    }

    fn ended(&mut self, container: &Arc<Container>) -> Option<Change> {
        let known = self.position(container)?;
        self.containers.swap_remove(known);
        Some(Change::Deleted(Arc::clone(container)))
    }

    /// What must have happened, by what runs now.
    fn compare(&mut self, running: &[Arc<Container>]) -> Vec<Change> {
        let now = Shown {
            selector: self.selector,
            containers: running.to_vec(),
        };
        let is_gone = |it: &&Arc<Container>| now.position(it).is_none();
        let gone: Vec<_> = self.containers.iter().filter(is_gone).cloned().collect();
        let mut changes: Vec<Change> = gone.iter().filter_map(|it| self.ended(it)).collect();
        changes.extend(running.iter().filter_map(|it| self.runs(it)));
        changes
    }
}

/// Lines that are printed one by one.
struct Printer<'a> {
    table: Option<(&'a Columns, Table)>,
}

impl<'a> Printer<'a> {
    fn new(columns: Option<&'a Columns>) -> Self {
        let table = |columns: &'a Columns| (columns, Table::with_widths(columns.widths()));
        Self {
            table: columns.map(table),
        }
    }

    fn begin(&self) -> anyhow::Result<()> {
        match &self.table {
            Some((columns, table)) => write(&table.line(&columns.header())),
            None => Ok(()),
        }
    }

    fn print(&self, change: &Change) -> anyhow::Result<()> {
        let (event, container) = match change {
            Change::Created(container) => ("CREATED", container),
            Change::Deleted(container) => ("DELETED", container),
        };
        let happened = Happened {
            event,
            timestamp: format!("{:.0}", Timestamp::now()),
        };
        write(&match &self.table {
            Some((columns, table)) => table.line(&columns.row(container, Some(&happened))),
            None => json::event(container, &happened)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use gizmo_containers::SelectorTexts;

    use super::*;

    fn container(id: &str, name: &str) -> Arc<Container> {
        Arc::new(Container {
            id: id.into(),
            name: name.into(),
            ..Container::default()
        })
    }

    fn shown(selector: &Selector) -> Shown<'_> {
        Shown {
            selector,
            containers: Vec::new(),
        }
    }

    #[test]
    fn a_container_is_created_once_and_deleted_once() {
        let selector = Selector::default();
        let mut shown = shown(&selector);
        let web = container("a", "web");
        assert_eq!(shown.runs(&web), Some(Change::Created(web.clone())));
        assert_eq!(shown.runs(&web), None);
        assert_eq!(shown.ended(&web), Some(Change::Deleted(web.clone())));
        assert_eq!(shown.ended(&web), None);
        assert_eq!(shown.runs(&web), Some(Change::Created(web)));
    }

    #[test]
    fn a_container_whose_name_comes_later_is_shown_when_it_is_meant() {
        let texts = SelectorTexts {
            container: "!db".into(),
            ..Default::default()
        };
        let selector = Selector::parse(&texts).unwrap();
        let mut shown = shown(&selector);
        assert_eq!(shown.runs(&container("a", "")), None);
        assert_eq!(shown.runs(&container("b", "")), None);
        assert_eq!(shown.runs(&container("b", "db")), None);
        assert_eq!(shown.ended(&container("b", "db")), None);
        let web = container("a", "web");
        assert_eq!(shown.runs(&web), Some(Change::Created(web)));
    }

    #[test]
    fn what_was_lost_is_found_by_comparing() {
        let selector = Selector::default();
        let mut shown = shown(&selector);
        let [old, kept, new] = [
            container("a", "old"),
            container("b", "kept"),
            container("c", "new"),
        ];
        shown.runs(&old);
        shown.runs(&kept);
        let changes = shown.compare(&[kept.clone(), new.clone()]);
        assert_eq!(
            changes,
            [Change::Deleted(old), Change::Created(new.clone())]
        );
        assert_eq!(shown.containers, [kept, new]);
    }
}
