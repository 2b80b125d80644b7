//! Guests as subscribers of data sources: how an event reaches `dataSourceCallback`, and comes back.

use std::sync::Weak;

use gizmo_model::{DataSource, Element, Flow, Packet, Payload, Shape};
use wasmtime::StoreContextMut;

use crate::guest::{Refused, Shared, bury};
use crate::handles::Object;
use crate::limits::MAX_NESTING;
use crate::state::State;

/// One subscription of a guest.
pub(crate) struct Subscriber {
    pub(crate) guest: Weak<Shared>,
    pub(crate) gadget: String,
    /// The guest's own number for it.
    pub(crate) callback_id: u64,
    pub(crate) source: Weak<DataSource>,
    /// The handle that was used for subscribing.
    pub(crate) source_handle: u32,
}

impl Subscriber {
    /// Calls the guest. Whatever becomes of it, the event goes on.
    pub(crate) fn deliver(&self, shape: Shape, payload: Payload<'_>) -> Flow {
        let Some(guest) = self.guest.upgrade() else {
            return Flow::Continue;
        };
        let called = guest.enter(guest.deadlines.callback, |context| {
            self.call(context, shape, payload)
        });
        match called {
            Ok(flow) => flow,
            Err(Refused::Closed) => Flow::Continue,
            Err(Refused::Inside | Refused::Crossed) => {
                tracing::warn!(
                    gadget = self.gadget.as_str(),
                    "the guest is busy and misses an event"
                );
                Flow::Continue
            }
        }
    }

    fn call(
        &self,
        mut context: StoreContextMut<'_, State>,
        shape: Shape,
        mut payload: Payload<'_>,
    ) -> Flow {
        let state = context.data_mut();
        if state.stopped || state.dead.is_some() {
            return Flow::Continue;
        }
        let Some(callback) = state.exports.callback.clone() else {
            return Flow::Continue;
        };
        if state.counts.nesting >= MAX_NESTING {
            state.warn(
                "dataSourceCallback",
                "too many calls inside calls, an event is skipped",
            );
            return Flow::Continue;
        }
        let data = match state.handles.lend(take(shape, &self.source, &mut payload)) {
            Ok(handle) => handle,
            Err(object) => {
                put_back(*object, &mut payload);
                state.warn(
                    "dataSourceCallback",
                    "too many open handles, an event is skipped",
                );
                return Flow::Continue;
            }
        };
        state.counts.nesting += 1;
        let outcome = callback.call(&mut context, (self.callback_id, self.source_handle, data));
        let state = context.data_mut();
        state.counts.nesting -= 1;
        if let Some(object) = state.handles.take_back(data) {
            put_back(object, &mut payload);
        }
        match outcome {
            Ok(false) => Flow::Continue,
            Ok(true) => Flow::Discard,
            Err(error) => {
                // A trap in a call inside this one has been told already.
                let told = state.dead.is_some();
                let text = bury(state, &error);
                if !told {
                    tracing::error!(
                        gadget = self.gadget.as_str(),
                        "the guest ended in a callback, events go on without it: {text}"
                    );
                }
                Flow::Continue
            }
        }
    }
}

/// Moves what is delivered out of its place for the time of the call.
fn take(shape: Shape, source: &Weak<DataSource>, payload: &mut Payload<'_>) -> Object {
    match payload {
        Payload::Element(element) => {
            let element: Element = std::mem::take(*element);
            match shape {
                Shape::Single => Object::single(element),
                Shape::Array => Object::Element(element),
            }
        }
        Payload::Array(elements) => Object::array(std::mem::take(*elements), source.clone()),
        Payload::Packet(packet) => match std::mem::replace(*packet, Packet::Array(Vec::new())) {
            Packet::Single(element) => Object::single(element),
            Packet::Array(elements) => Object::array(elements, source.clone()),
        },
    }
}

fn put_back(object: Object, payload: &mut Payload<'_>) {
    match (object, payload) {
        (Object::Element(lent), Payload::Element(place)) => **place = lent,
        (Object::Packet { packet, .. }, payload) => match (packet, payload) {
            (Packet::Single(lent), Payload::Element(place)) => **place = lent,
            (Packet::Array(lent), Payload::Array(place)) => **place = lent,
            (lent, Payload::Packet(place)) => **place = lent,
            _ => {}
        },
        // Objects in the table keep their kind, so nothing else can come back.
        _ => {}
    }
}
