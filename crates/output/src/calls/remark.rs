//! What is said about calls beside the calls: notices, such as that some are missing.

use std::sync::Arc;

use gizmo_model::{DataSource, Element, Field};

use crate::columns::cell;
use crate::{notice, value};

/// The fields of a notice.
pub struct Remark {
    text: Arc<Field>,
    timestamp: Option<Arc<Field>>,
    lost: Option<Arc<Field>>,
}

impl Remark {
    /// Those of a data source; `None` if its events are no notices.
    pub fn find(source: &DataSource) -> Option<Self> {
        Some(Self {
            text: notice::text_field(source)?,
            timestamp: source.field("timestamp_raw"),
            lost: source.field("lost"),
        })
    }

    /// The field of the text.
    pub(crate) fn text_field(&self) -> &Field {
        &self.text
    }

    /// The text without anything that a terminal would act on.
    pub fn text(&self, element: &Element) -> String {
        let mut text = String::new();
        cell::escape(value::text(&self.text, element), &mut text);
        text
    }

    /// Which time it is about, ns, if it is about one.
    pub fn timestamp(&self, element: &Element) -> Option<u64> {
        let timestamp = value::bits(self.timestamp.as_ref()?, element);
        (timestamp > 0).then_some(timestamp)
    }

    /// How many calls are missing, or are not whole.
    pub fn lost(&self, element: &Element) -> u64 {
        self.lost
            .as_ref()
            .map_or(0, |lost| value::bits(lost, element))
    }
}
