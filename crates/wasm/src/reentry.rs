//! Which guests this thread is inside of, and how to call one of them back.
//!
//! A guest that emits on a source it subscribes to is called back while it waits in a host function, perhaps with other
//! components in between that know nothing of guests. The host function *offers* its store context to the thread; the
//! callback *borrows* the newest one. What is offered cannot be used by its owner until the offer ends, and what is
//! borrowed is not on offer, so there is never more than one user.

#![expect(
    unsafe_code,
    reason = "a store context cannot be handed through foreign frames otherwise"
)]

use std::cell::RefCell;
use std::ptr::NonNull;

use wasmtime::{AsContextMut, StoreContextMut};

use crate::state::State;

thread_local! {
    static INSIDE: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

struct Entry {
    guest: u64,
    /// The context on offer, if any, without its lifetime.
    context: Option<NonNull<StoreContextMut<'static, State>>>,
}

/// What became of an attempt to borrow.
pub(crate) enum Borrowed<R> {
    /// A context was on offer.
    Ran(R),
    /// The thread is inside the guest, but in a place that offers nothing.
    Unavailable,
    /// The thread is not inside the guest.
    Outside,
}

/// Whether the thread is inside any guest.
pub(crate) fn inside_any() -> bool {
    INSIDE.with_borrow(|entries| !entries.is_empty())
}

/// Says that the thread is inside the guest until the result is dropped.
pub(crate) fn mark(guest: u64) -> Mark {
    push(Entry {
        guest,
        context: None,
    })
}

/// Runs `f` while the context is on offer to callbacks on this thread.
pub(crate) fn offer<R>(
    guest: u64,
    context: &mut StoreContextMut<'_, State>,
    f: impl FnOnce() -> R,
) -> R {
    let context = NonNull::from(context).cast();
    let _mark = push(Entry {
        guest,
        context: Some(context),
    });
    f()
}

/// Runs `f` with the newest context of the guest that is on offer on this thread.
pub(crate) fn borrow<R>(
    guest: u64,
    f: impl FnOnce(StoreContextMut<'_, State>) -> R,
) -> Borrowed<R> {
    let taken = INSIDE.with_borrow_mut(|entries| {
        let at = entries.iter().rposition(|entry| entry.guest == guest)?;
        Some((at, entries[at].context.take()))
    });
    let (at, mut context) = match taken {
        None => return Borrowed::Outside,
        Some((_, None)) => return Borrowed::Unavailable,
        Some((at, Some(context))) => (at, context),
    };
    let _back = Back { at, context };
    // SAFETY: `context` was made from an exclusive reference in `offer`, which is still running: its entry is removed
    // before it returns or unwinds, the list is this thread's own, and the entry was in the list a moment ago. The
    // owner cannot use its reference meanwhile, since `offer` borrows it. Nobody else uses the pointer: it has been
    // taken out of the entry, and `Back` returns it only after the reference made here is gone (locals are dropped in
    // reverse order). `f` accepts any lifetime, so it cannot keep the context.
    let context = unsafe { context.as_mut() };
    Borrowed::Ran(f(context.as_context_mut()))
}

fn push(entry: Entry) -> Mark {
    INSIDE.with_borrow_mut(|entries| entries.push(entry));
    Mark(std::marker::PhantomData)
}

/// Removes the newest entry when dropped; entries are pushed and removed in the order of calls.
pub(crate) struct Mark(std::marker::PhantomData<*const ()>);

impl Drop for Mark {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

/// Puts a borrowed context back on offer when dropped.
struct Back {
    at: usize,
    context: NonNull<StoreContextMut<'static, State>>,
}

impl Drop for Back {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|entries| entries[self.at].context = Some(self.context));
    }
}
