//! The callbacks of a guest, by the number the host calls them with.
//!
//! A callback is shared while it runs and the table is not borrowed meanwhile, so a callback can subscribe, or emit and
//! thereby enter itself or another one.

use std::cell::RefCell;
use std::rc::Rc;

/// Whether to discard the packet, and the text of a failure.
type Verdict = (bool, Option<String>);

/// Takes the handle of what is delivered.
type Callback = dyn Fn(u32) -> Verdict;

thread_local! {
    static CALLBACKS: RefCell<Vec<Option<Rc<Callback>>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a callback and returns its number.
pub(crate) fn add(callback: impl Fn(u32) -> Verdict + 'static) -> u64 {
    let callback: Rc<Callback> = Rc::new(callback);
    CALLBACKS.with_borrow_mut(|callbacks| {
        callbacks.push(Some(callback));
        callbacks.len() as u64 - 1
    })
}

/// Drops a callback that the host did not accept.
pub(crate) fn forget(id: u64) {
    let dropped = CALLBACKS
        .with_borrow_mut(|callbacks| slot(id).and_then(|slot| callbacks.get_mut(slot)?.take()));
    // Only now, outside of the borrow: what the callback captured may do anything when dropped.
    drop(dropped);
}

/// Calls a callback.
pub(crate) fn call(id: u64, handle: u32) -> Verdict {
    let callback =
        CALLBACKS.with_borrow(|callbacks| slot(id).and_then(|slot| callbacks.get(slot)?.clone()));
    match callback {
        Some(callback) => callback(handle),
        None => (
            false,
            Some(format!(
                "the host called callback {id}, which does not exist"
            )),
        ),
    }
}

fn slot(id: u64) -> Option<usize> {
    usize::try_from(id).ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_callback_can_enter_itself_and_subscribe() {
        let depth = Rc::new(Cell::new(0));
        let own_id = Rc::new(Cell::new(0));
        let id = add({
            let (depth, own_id) = (depth.clone(), own_id.clone());
            move |handle| {
                depth.set(depth.get() + 1);
                add(|_| (false, None));
                if handle > 0 {
                    call(own_id.get(), handle - 1)
                } else {
                    (true, Some("at the bottom".to_owned()))
                }
            }
        });
        own_id.set(id);

        assert_eq!(call(id, 3), (true, Some("at the bottom".to_owned())));
        assert_eq!(depth.get(), 4);
    }

    #[test]
    fn numbers_stay_valid_when_another_callback_is_forgotten() {
        let first = add(|_| (false, None));
        let second = add(|handle| (false, Some(handle.to_string())));
        forget(first);
        let (_, text) = call(first, 0);
        assert!(text.is_some_and(|text| text.contains("does not exist")));
        assert_eq!(call(second, 7).1.as_deref(), Some("7"));
        assert!(call(u64::MAX, 0).1.is_some());
    }
}
