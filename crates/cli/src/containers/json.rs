//! Containers as JSON.

use std::sync::Arc;

use gizmo_model::container::Container;
use serde_json::json;

use super::watch::Happened;
use crate::logging::escape_json;

/// All containers as one array.
pub(super) fn list(containers: &[Arc<Container>]) -> serde_json::Result<String> {
    let containers: Vec<&Container> = containers.iter().map(Arc::as_ref).collect();
    serde_json::to_string_pretty(&containers).map(finish)
}

/// An event as one object.
pub(super) fn event(container: &Container, happened: &Happened) -> serde_json::Result<String> {
    let object = json!({
        "timestamp": happened.timestamp,
        "event": happened.event,
        "container": container,
    });
    serde_json::to_string_pretty(&object).map(finish)
}

fn finish(text: String) -> String {
    escape_json(&text) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::is_active;

    #[test]
    fn what_terminals_act_on_is_escaped_and_means_the_same() {
        let container = Container {
            name: "a\u{9b}2J\u{202e}\u{7f}\x1bü".into(),
            ..Container::default()
        };
        let text = list(&[Arc::new(container.clone())]).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && is_active(c)), "{text}");
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed[0]["runtime"]["containerName"], *container.name);
        assert_eq!(list(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn an_event_has_three_keys_in_order() {
        let happened = Happened {
            event: "CREATED",
            timestamp: "2026-01-02T03:04:05Z".into(),
        };
        let text = event(&Container::default(), &happened).unwrap();
        let expected = concat!(
            "{\n  \"timestamp\": \"2026-01-02T03:04:05Z\",\n  \"event\": \"CREATED\",\n",
            "  \"container\": {\n    \"runtime\": {},\n    \"k8s\": {}\n  }\n}\n"
        );
        assert_eq!(text, expected);
    }
}
