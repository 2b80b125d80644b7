//! The exports of a guest that the host calls, and their types.

use wasmtime::{ExternType, Instance, StoreContextMut, TypedFunc, ValType};

use crate::error::Error;
use crate::state::State;

/// The exports of a guest without parameters that may be missing: those of its phases, and those with which it is asked
/// while it runs.
const PHASES: [&str; 10] = [
    "gadgetInit",
    "gadgetPreStart",
    "gadgetStart",
    "gadgetPreStop",
    "gadgetStop",
    "gadgetPostStop",
    "gadgetSnapshot",
    "gadgetForget",
    "gadgetRecordings",
    "gadgetSetParams",
];

/// `gadgetFollow`: the follower's number, and whether it is a new one.
pub(crate) type Follow = TypedFunc<(u32, u32), i32>;

/// A lifecycle export; upstream accepts either width.
#[derive(Clone)]
pub(crate) enum Lifecycle {
    Narrow(TypedFunc<(), i32>),
    Wide(TypedFunc<(), i64>),
}

impl Lifecycle {
    pub(crate) fn call(&self, context: &mut StoreContextMut<'_, State>) -> wasmtime::Result<i64> {
        match self {
            Lifecycle::Narrow(function) => function.call(context, ()).map(i64::from),
            Lifecycle::Wide(function) => function.call(context, ()),
        }
    }
}

/// `dataSourceCallback`, with our optional result: 1 discards (H32).
#[derive(Clone)]
pub(crate) enum Callback {
    Plain(TypedFunc<(u64, u32, u32), ()>),
    Deciding(TypedFunc<(u64, u32, u32), i32>),
}

impl Callback {
    /// Whether the guest wants the packet discarded.
    pub(crate) fn call(
        &self,
        context: &mut StoreContextMut<'_, State>,
        arguments: (u64, u32, u32),
    ) -> wasmtime::Result<bool> {
        match self {
            Callback::Plain(function) => function.call(context, arguments).map(|()| false),
            Callback::Deciding(function) => {
                function.call(context, arguments).map(|answer| answer == 1)
            }
        }
    }
}

/// What was found in an instance.
#[derive(Default, Clone)]
pub(crate) struct Exports {
    phases: [Option<Lifecycle>; PHASES.len()],
    pub(crate) follow: Option<Follow>,
    pub(crate) callback: Option<Callback>,
    /// Something is exported as `dataSourceCallback`, but cannot be called.
    pub(crate) callback_unusable: bool,
}

impl Exports {
    pub(crate) fn phase(&self, export: &str) -> Option<Lifecycle> {
        let at = PHASES.iter().position(|name| *name == export)?;
        self.phases[at].clone()
    }

    /// Looks the exports up; [`check`] has been there before.
    pub(crate) fn find(instance: &Instance, context: &mut StoreContextMut<'_, State>) -> Self {
        let phases = PHASES.map(|name| lifecycle(instance, context, name));
        let plain = instance.get_typed_func(&mut *context, "dataSourceCallback");
        let callback = match plain {
            Ok(function) => Some(Callback::Plain(function)),
            Err(_) => instance
                .get_typed_func(&mut *context, "dataSourceCallback")
                .ok()
                .map(Callback::Deciding),
        };
        let exported = instance
            .get_export(&mut *context, "dataSourceCallback")
            .is_some();
        Self {
            phases,
            follow: instance.get_typed_func(&mut *context, "gadgetFollow").ok(),
            callback_unusable: exported && callback.is_none(),
            callback,
        }
    }
}

/// The export of this name that returns one integer.
pub(crate) fn lifecycle(
    instance: &Instance,
    context: &mut StoreContextMut<'_, State>,
    name: &str,
) -> Option<Lifecycle> {
    let narrow = instance.get_typed_func(&mut *context, name);
    match narrow {
        Ok(function) => Some(Lifecycle::Narrow(function)),
        Err(_) => instance
            .get_typed_func(context, name)
            .ok()
            .map(Lifecycle::Wide),
    }
}

/// Checks the types of a module's exports before anything of it runs.
///
/// # Errors
/// [`Error::NoVersion`] or [`Error::ExportType`].
pub(crate) fn check(module: &wasmtime::Module) -> Result<(), Error> {
    match module.get_export("gadgetAPIVersion") {
        None => return Err(Error::NoVersion),
        Some(export) => require(&export, "gadgetAPIVersion", "() -> i64", 1)?,
    }
    for name in PHASES {
        if let Some(export) = module.get_export(name) {
            require(&export, name, "() -> i32", 1)?;
        }
    }
    if let Some(export) = module.get_export("_initialize") {
        require(&export, "_initialize", "() -> ()", 0)?;
    }
    if let Some(export) = module.get_export("gadgetFollow") {
        require_follow(&export)?;
    }
    Ok(())
}

fn require_follow(export: &ExternType) -> Result<(), Error> {
    let narrow = |ty: ValType| matches!(ty, ValType::I32);
    match export {
        ExternType::Func(ty)
            if ty.params().len() == 2
                && ty.results().len() == 1
                && ty.params().chain(ty.results()).all(narrow) =>
        {
            Ok(())
        }
        _ => Err(Error::ExportType {
            export: "gadgetFollow",
            expected: "(i32, i32) -> i32",
        }),
    }
}

fn require(
    export: &ExternType,
    name: &'static str,
    expected: &'static str,
    results: usize,
) -> Result<(), Error> {
    let integer = |ty: ValType| matches!(ty, ValType::I32 | ValType::I64);
    let fits = match export {
        ExternType::Func(ty) => {
            ty.params().len() == 0 && ty.results().len() == results && ty.results().all(integer)
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Error::ExportType {
        export: name,
        expected,
    })
}
