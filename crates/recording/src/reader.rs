//! A file becomes data sources that can emit again.

use std::io::Read;
use std::sync::Arc;

use gizmo_model::DataSource;
use serde::de::DeserializeOwned;

use crate::frame::{Frames, Kind};
use crate::schema::Schema;
use crate::unpack::{Packets, Restored, content};
use crate::{Damage, Error, Header, Totals};

/// A recording that is read from its beginning to its end.
#[derive(Debug)]
pub struct Recording<R> {
    frames: Frames<R>,
    header: Header,
    schema: Schema,
    sources: Vec<Restored>,
    totals: Option<Totals>,
    /// Nothing more can be read.
    is_over: bool,
}

impl<R: Read> Recording<R> {
    /// Reads what the file is a recording of, and makes its data sources. Their texts that formatters make are still missing:
    /// see [`Recording::describe_derived`].
    ///
    /// # Errors
    /// The file is no recording, too new, or damaged before its first packets.
    pub fn open(input: R) -> Result<Self, Error> {
        let mut frames = Frames::open(input)?;
        let header = read_json(&mut frames, Kind::Header)?;
        let schema: Schema = read_json(&mut frames, Kind::Schema)?;
        let mut recording = Self {
            frames,
            header,
            schema: Schema::default(),
            sources: Vec::new(),
            totals: None,
            is_over: false,
        };
        recording
            .restore(schema)
            .map_err(|reason| content(recording.frames.at(), reason))?;
        Ok(recording)
    }

    /// What the file is a recording of.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The data sources, in the order in which the gadget has made them.
    pub fn sources(&self) -> Vec<Arc<DataSource>> {
        let restored = self.sources.iter();
        restored.map(|own| Arc::clone(&own.source)).collect()
    }

    /// Says of the fields that formatters have made since what was said of the recorded ones.
    pub fn describe_derived(&self) {
        for (schema, restored) in self.schema.sources.iter().zip(&self.sources) {
            schema.describe_derived(&restored.source);
        }
    }

    /// How much there was; known when the end of the file was reached and the writer had ended properly.
    pub fn totals(&self) -> Option<&Totals> {
        self.totals.as_ref()
    }

    /// The next packets; `None` when there are no more.
    ///
    /// # Errors
    /// [`Error::Cut`] where the file ends too early, [`Error::Damaged`] for a block that cannot be used; what comes after it can
    /// be read by calling again, as far as it can be found.
    pub fn next_block(&mut self) -> Result<Option<Packets<'_>>, Error> {
        while !self.is_over {
            let at = self.frames.at();
            let kind = match self.frames.next() {
                Ok(Some(kind)) => kind,
                end => {
                    return self.end(end.map(drop)).map(|()| None);
                }
            };
            match kind {
                Some(Kind::Packets) => {
                    return Packets::new(at, self.frames.body(), &self.sources).map(Some);
                }
                Some(Kind::Schema) => {
                    let schema = parse(self.frames.body()).map_err(|why| content(at, why))?;
                    self.restore(schema).map_err(|why| content(at, why))?;
                }
                Some(Kind::End) => {
                    self.totals = Some(parse(self.frames.body()).map_err(|why| content(at, why))?);
                }
                Some(Kind::Header) => return Err(content(at, "there is a second header")),
                // Of a later version that this one can do without.
                None => {}
            }
        }
        Ok(None)
    }

    /// No block could be read.
    fn end(&mut self, outcome: Result<(), Error>) -> Result<(), Error> {
        self.is_over = match &outcome {
            Ok(()) | Err(Error::Cut { .. } | Error::Read(_)) => true,
            Err(Error::Damaged { damage, .. }) => *damage == Damage::Head,
            Err(_) => true,
        };
        outcome?;
        match &self.totals {
            Some(_) => Ok(()),
            None => Err(Error::Cut {
                at: self.frames.at(),
            }),
        }
    }

    /// Makes data sources, or adds the fields that are new.
    fn restore(&mut self, schema: Schema) -> Result<(), String> {
        schema
            .check()
            .map_err(|(source, reason)| format!("data source `{source}`: {reason}"))?;
        if self.sources.is_empty() {
            self.sources = schema.sources.iter().map(Restored::new).collect();
        } else {
            let pairs = self.schema.sources.iter().zip(&schema.sources);
            let continued = self.schema.sources.len() == schema.sources.len()
                && pairs.clone().all(|(own, later)| own.is_continued_by(later));
            if !continued {
                return Err("a later schema contradicts the first".into());
            }
        }
        for (own, restored) in schema.sources.iter().zip(&mut self.sources) {
            restored.extend(own)?;
        }
        self.schema = schema;
        Ok(())
    }
}

impl Restored {
    fn new(schema: &crate::schema::SourceSchema) -> Self {
        Self {
            source: Arc::new(schema.make()),
            fields: Vec::new(),
            stored: Vec::new(),
        }
    }

    fn extend(&mut self, schema: &crate::schema::SourceSchema) -> Result<(), String> {
        let known = self.fields.len();
        for own in schema.fields.iter().skip(known) {
            let field = own.add_to(&self.source, &self.fields)?;
            if let (Some(field), Some(storage)) = (&field, own.storage()) {
                self.stored.push((Arc::clone(field), storage));
            }
            self.fields.push(field);
        }
        Ok(())
    }
}

/// A block that must be of a kind and hold JSON.
fn read_json<T: DeserializeOwned>(
    frames: &mut Frames<impl Read>,
    wanted: Kind,
) -> Result<T, Error> {
    loop {
        let at = frames.at();
        match frames.next()? {
            None => return Err(Error::Cut { at }),
            Some(Some(kind)) if kind == wanted => {
                return parse(frames.body()).map_err(|reason| content(at, reason));
            }
            Some(None) => {}
            Some(_) => return Err(content(at, "its first blocks are not in order")),
        }
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("a block is not readable ({error})"))
}
