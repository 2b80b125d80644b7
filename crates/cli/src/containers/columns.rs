//! Containers as a table.

use anyhow::bail;
use gizmo_model::container::Container;
use jiff::Timestamp;

use super::watch::Happened;
use crate::table;

/// So many digits of an id are shown unless the column was asked for; as `docker ps` does.
const SHORT_ID: usize = 12;
/// Ids that people choose are names, and are not cut.
const RANDOM_ID: usize = 64;

/// A column: its name, how wide it is while watching, whether it is shown by default, its text.
struct Column {
    name: &'static str,
    width: usize,
    default: bool,
    text: fn(&Container) -> String,
}

const fn column(name: &'static str, width: usize, text: fn(&Container) -> String) -> Column {
    Column {
        name,
        width,
        default: false,
        text,
    }
}

const fn default(name: &'static str, width: usize, text: fn(&Container) -> String) -> Column {
    Column {
        default: true,
        ..column(name, width, text)
    }
}

const ID: &str = "runtime.containerid";

/// All that a container has, but for its configuration, which is a text of many lines.
static ALL: [Column; 22] = [
    default("runtime.runtimename", 19, |it| it.runtime_name.clone()),
    default(ID, 19, |it| it.id.clone()),
    default("runtime.containername", 30, |it| it.name.clone()),
    default("runtime.containerimagename", 30, |it| it.image_name.clone()),
    default("runtime.containerpid", 20, |it| number(it.pid.into())),
    column("runtime.containerimageid", 71, |it| it.image_id.clone()),
    column("runtime.containerimagedigest", 71, |it| {
        it.image_digest.clone()
    }),
    column("runtime.containerstartedat", 30, started_at),
    column("k8s.namespace", 20, |it| it.k8s.namespace.clone()),
    column("k8s.podname", 30, |it| it.k8s.pod_name.clone()),
    column("k8s.podlabels", 30, labels),
    column("k8s.containername", 30, |it| it.k8s.container_name.clone()),
    column("k8s.poduid", 36, |it| it.k8s.pod_uid.clone()),
    column("bundle", 30, |it| it.bundle.clone()),
    column("sandboxid", 19, |it| it.sandbox_id.clone()),
    column("mntns", 12, |it| number(it.mntns_id)),
    column("netns", 12, |it| number(it.netns_id)),
    column("hostnetwork", 11, |it| it.host_network.to_string()),
    column("cgrouppath", 30, |it| it.cgroup_path.clone()),
    column("cgroupid", 12, |it| number(it.cgroup_id)),
    column("cgroupv1", 30, |it| it.cgroup_v1.clone()),
    column("cgroupv2", 30, |it| it.cgroup_v2.clone()),
];

/// What is unknown is empty.
fn number(number: u64) -> String {
    if number == 0 {
        String::new()
    } else {
        number.to_string()
    }
}

fn started_at(container: &Container) -> String {
    match container.started_at_ns {
        0 => String::new(),
        ns => Timestamp::from_nanosecond(ns.into())
            .map_or_else(|_| ns.to_string(), |it| it.to_string()),
    }
}

fn labels(container: &Container) -> String {
    let labels = container.k8s.pod_labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(",")
}

/// Where a cell comes from.
enum Cell {
    Timestamp,
    Event,
    Of(&'static Column),
}

impl Cell {
    fn name(&self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Event => "event",
            Self::Of(column) => column.name,
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Timestamp => 20,
            Self::Event => 7,
            Self::Of(column) => column.width.max(column.name.len()),
        }
    }
}

/// The columns of a table.
pub(super) struct Columns {
    cells: Vec<Cell>,
    short: bool,
}

impl Columns {
    /// The columns of these names, or the default ones. Lines about events have two more.
    ///
    /// # Errors
    /// A column that is not known.
    pub(super) fn new(names: Option<&str>, watch: bool) -> anyhow::Result<Self> {
        let events = || [Cell::Timestamp, Cell::Event].into_iter().filter(|_| watch);
        let all = || events().chain(ALL.iter().map(Cell::Of));
        let Some(names) = names else {
            let is_default = |it: &Cell| !matches!(it, Cell::Of(column) if !column.default);
            return Ok(Self {
                cells: all().filter(is_default).collect(),
                short: true,
            });
        };
        let mut cells = Vec::new();
        for name in names.split(',').map(str::trim) {
            let wanted = name.to_lowercase();
            // The last word of a name will do; `runtime` comes before `k8s`.
            let last = |it: &Cell| it.name().rsplit('.').next() == Some(&*wanted);
            let found = all()
                .find(|it| it.name() == wanted)
                .or_else(|| all().find(last));
            let Some(cell) = found else {
                let known: Vec<&str> = all().map(|it| it.name()).collect();
                bail!(
                    "flag `--output`: unknown column `{name}`; known are {}",
                    known.join(", ")
                );
            };
            cells.push(cell);
        }
        Ok(Self {
            cells,
            short: false,
        })
    }

    /// The names, as they stand above the columns.
    pub(super) fn header(&self) -> Vec<String> {
        self.cells
            .iter()
            .map(|it| it.name().to_uppercase())
            .collect()
    }

    /// The widths of lines that are printed before all of them are known.
    pub(super) fn widths(&self) -> Vec<usize> {
        self.cells.iter().map(Cell::width).collect()
    }

    /// The cells of a container, safe to show.
    pub(super) fn row(&self, container: &Container, happened: Option<&Happened>) -> Vec<String> {
        let text = |cell: &Cell| match cell {
            Cell::Timestamp => happened.map(|it| it.timestamp.clone()).unwrap_or_default(),
            Cell::Event => happened.map_or("", |it| it.event).to_owned(),
            Cell::Of(column) if self.short && column.name == ID => short_id(&container.id),
            Cell::Of(column) => (column.text)(container),
        };
        self.cells
            .iter()
            .map(|cell| table::cell(&text(cell)))
            .collect()
    }
}

fn short_id(id: &str) -> String {
    let is_random = id.len() == RANDOM_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = if is_random { SHORT_ID } else { id.len() };
    id.chars().take(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container {
            id: "0123456789ab".repeat(6)[..64].into(),
            name: "we\x1bb".into(),
            runtime_name: "docker".into(),
            image_name: "demo:1".into(),
            pid: 42,
            started_at_ns: 1_700_000_000_000_000_000,
            ..Container::default()
        }
    }

    fn names(names: Option<&str>, watch: bool) -> Vec<String> {
        Columns::new(names, watch).unwrap().header()
    }

    #[test]
    fn five_columns_are_shown_by_default() {
        let columns = Columns::new(None, false).unwrap();
        assert_eq!(
            columns.header(),
            [
                "RUNTIME.RUNTIMENAME",
                "RUNTIME.CONTAINERID",
                "RUNTIME.CONTAINERNAME",
                "RUNTIME.CONTAINERIMAGENAME",
                "RUNTIME.CONTAINERPID"
            ]
        );
        let row = columns.row(&container(), None);
        assert_eq!(
            row,
            ["docker", "0123456789ab", "we\\u{1b}b", "demo:1", "42"]
        );
        assert_eq!(names(None, true)[..2], ["TIMESTAMP", "EVENT"]);
    }

    #[test]
    fn columns_can_be_named_in_full_or_by_their_last_word() {
        assert_eq!(
            names(Some("k8s.containername,containername,PodName"), false),
            ["K8S.CONTAINERNAME", "RUNTIME.CONTAINERNAME", "K8S.PODNAME"]
        );
        let columns = Columns::new(Some("containerid,containerstartedat,mntns"), false).unwrap();
        let row = columns.row(&container(), None);
        assert_eq!(row, [&*container().id, "2023-11-14T22:13:20Z", ""]);
    }

    #[test]
    fn unknown_columns_are_refused_with_the_known_ones() {
        for name in ["nmae", "", "a,event", "event"] {
            let error = Columns::new(Some(name), false).err().unwrap().to_string();
            assert!(
                error.contains("unknown column") && error.contains("k8s.podname"),
                "{error}"
            );
        }
        assert_eq!(
            names(Some("event,containername"), true),
            ["EVENT", "RUNTIME.CONTAINERNAME"]
        );
    }

    #[test]
    fn names_that_people_choose_are_whole() {
        let name = "x".repeat(64);
        assert_eq!(short_id(&name), name);
        assert_eq!(short_id("web"), "web");
    }
}
