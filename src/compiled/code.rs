//! The code of a module, with the host's functions linked into it: at once if it was just compiled, at the first call if it is kept on disk.

use std::sync::OnceLock;

use parking_lot::Mutex;
use wasmfusion_abi::export;
use wasmtime::{Engine, InstancePre, Linker, Module, ModuleExport};

use crate::artifact::Artifact;
use crate::error::Result;
use crate::host;
use crate::instance::HostState;
use crate::module;

/// The code of a module.
pub(super) struct Code {
    linked: OnceLock<Linked>,
    /// Where it is kept, until it is linked. Who links it holds this.
    kept: Mutex<Option<Kept>>,
}

/// A module that is kept on disk.
pub(super) struct Kept {
    /// The file of the module, or whatever the user knows it by.
    pub(super) name: String,
    pub(super) artifact: Artifact,
}

/// Code that can be instantiated.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<HostState>,
    pub(crate) exports: Exports,
}

/// The module's exports that are called, by position, so that no instance looks a name up.
pub(crate) struct Exports {
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) alloc: Option<ModuleExport>,
    pub(crate) abi_version: Option<ModuleExport>,
    pub(crate) describe: Option<ModuleExport>,
    pub(crate) bind: Option<ModuleExport>,
    /// The memory with the watch page.
    pub(crate) watch: Option<ModuleExport>,
    /// What the module wanted to run on instantiation.
    pub(crate) start: Option<ModuleExport>,
    /// By place in the manifest; empty until the manifest is known.
    pub(crate) functions: Vec<Option<ModuleExport>>,
}

impl Code {
    /// Code that is there.
    pub(super) fn new(linked: Linked) -> Self {
        Self {
            linked: linked.into(),
            kept: Mutex::default(),
        }
    }

    /// Code that is on disk.
    pub(super) fn kept(kept: Kept) -> Self {
        Self {
            linked: OnceLock::new(),
            kept: Mutex::new(Some(kept)),
        }
    }

    /// The code, if it was linked already.
    #[inline]
    pub(super) fn get(&self) -> Option<&Linked> {
        self.linked.get()
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut Linked> {
        self.linked.get_mut()
    }

    /// The code, which `link` makes of what is kept, once. Others wait for it meanwhile. After a failure the next one tries again.
    #[cold]
    pub(super) fn link(&self, link: impl FnOnce(&Kept) -> Result<Linked>) -> Result<&Linked> {
        let mut kept = self.kept.lock();
        if let Some(kept) = kept.as_ref()
            && self.linked.get().is_none()
        {
            // Nobody else sets it: they have no lock.
            let _ = self.linked.set(link(kept)?);
        }
        *kept = None;
        self.linked.get().ok_or_else(|| crate::error::Error::Host {
            what: "a module has no code".into(),
            reason: "it is neither compiled nor kept".into(),
        })
    }
}

impl Linked {
    /// Links the host functions `imports` into a module whose functions have these exports.
    ///
    /// # Errors
    ///
    /// If the module imports what the host does not have, or what is not among the imports.
    pub(super) fn new(
        engine: &Engine,
        compiled: &Module,
        imports: &[String],
        functions: &[String],
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        for import in imports {
            host::link(&mut linker, import)?;
        }
        let pre = linker.instantiate_pre(compiled)?;
        let find = |name| compiled.get_export_index(name);
        let mut linked = Self {
            pre,
            exports: Exports {
                memory: find(export::MEMORY),
                alloc: find(export::ALLOC),
                abi_version: find(export::ABI_VERSION),
                describe: find(export::DESCRIBE),
                bind: find(export::BIND),
                watch: find(module::WATCH_EXPORT),
                start: find(module::START_EXPORT),
                functions: Vec::new(),
            },
        };
        linked.resolve(functions);
        Ok(linked)
    }

    /// Makes the exports of these names callable, in this order.
    pub(super) fn resolve(&mut self, functions: &[String]) {
        let module = self.pre.module();
        let names = functions.iter();
        self.exports.functions = names.map(|name| module.get_export_index(name)).collect();
    }
}
