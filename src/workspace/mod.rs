//! What a session holds between cells: named buffers, scalars, kernels with their versions, and the chosen target.
//!
//! Magics read and change it; it knows nothing of cells or of Jupyter.

mod buffers;
mod definitions;
mod devices;
#[cfg(test)]
pub mod fixture;
mod journal;
mod kernels;
mod past;
pub mod recipe;
mod scalars;
mod scope;
mod starter;
pub mod tensors;
mod unwritten;
mod views;

pub use buffers::Buffers;
pub use definitions::{Definitions, names_of};
pub use devices::Homes;
pub use journal::{Input, Journal, Launched, Maker, State};
pub use kernels::{Kernel, Kernels, LaunchSpec, Version};
pub use scalars::Scalars;
pub use scope::WorkspaceScope;
pub use starter::Starter;
pub use unwritten::Unwritten;
pub use views::resolve_view;

use std::collections::HashMap;
use std::sync::Arc;

use crate::frontend::Frontend;
use warpbook_compiler::contraction::Followed;
use warpbook_compiler::{Compiler, Stage, Target};
use warpbook_device::cuda::default_budget;
use warpbook_device::{Buffer, Device, Emulated};
use warpbook_diagnostic::Result;
use warpbook_ir::triton_version::TritonVersion;
use warpbook_process::cancel::Cancel;

/// The state of a session.
pub struct Workspace {
    /// The architecture to compile for (`%target`).
    pub target: Target,
    /// The device on which kernels run (`%device`).
    pub device: Box<dyn Device>,
    /// Named buffers, each in the memory of a device.
    pub buffers: Buffers,
    /// Named numbers of the session: `%let N = 1024`.
    pub scalars: Scalars,
    /// Kernels with their versions.
    pub kernels: Kernels,
    /// Python of earlier cells.
    pub definitions: Definitions,
    /// How the contents of the buffers were made.
    pub journal: Journal,
    /// The compiler, with its workers.
    pub compiler: Compiler,
    /// The version of Triton that `%triton` chose.
    pub triton: Option<String>,
    /// Buffers that nothing has written.
    pub unwritten: Unwritten,
    /// The architecture that is emulated whatever is compiled for; `None` follows the target.
    emulated: Option<Target>,
    /// True if the emulator counts instructions, sectors and conflicts of each launch (`%config counters`).
    pub counts: bool,
    /// PTX in which the pairs that ptxas contracted are, by the hash of it and its cubin.
    pub(crate) contracted: HashMap<[u8; 32], Arc<Followed>>,
    /// True if the emulator uses the host's arithmetic for tensor cores (`%config arithmetic fast`).
    fast: bool,
    /// The other devices of the session, each with the buffers that live there: the emulator, GPUs that were in use.
    others: Vec<Box<dyn Device>>,
    /// Starts a GPU by its name.
    starter: Starter,
    /// Most bytes that copies of buffers may take on the host (`%config snapshots`).
    budget: u64,
}

impl Default for Workspace {
    fn default() -> Self {
        let target = Target(80);
        Self {
            target,
            device: Box::new(Emulated::new(target.0)),
            buffers: Buffers::default(),
            scalars: Scalars::default(),
            kernels: Kernels::default(),
            definitions: Definitions::default(),
            journal: Journal::default(),
            compiler: Compiler::default(),
            triton: None,
            unwritten: Unwritten::default(),
            counts: true,
            emulated: None,
            contracted: HashMap::new(),
            fast: false,
            others: Vec::new(),
            starter: starter::start_hosted(),
            budget: default_budget(),
        }
    }
}

impl Workspace {
    /// The version of Triton that compiles a cell of this stage. Gluon needs a newer one than the default.
    /// Fails at an interrupt, and if the reader's own Python does not say which version it has.
    pub fn triton_for(&self, stage: Stage, cancel: &Cancel) -> Result<String> {
        let chosen = match &self.triton {
            Some(chosen) => chosen.clone(),
            None => self.compiler.default_version(cancel)?,
        };
        if stage == Stage::Gluon && !TritonVersion::parse(&chosen).has_gluon() {
            return Ok(TritonVersion::FOR_GLUON.to_owned());
        }
        if stage == Stage::Glir && !TritonVersion::parse(&chosen).has_glir() {
            return Ok(TritonVersion::FOR_GLIR.to_owned());
        }
        Ok(chosen)
    }

    /// Puts a buffer in, and gives back the memory of the one that it replaces. A name is either a buffer or a scalar.
    pub fn put_buffer(&mut self, buffer: Buffer) {
        self.journal_made(&buffer);
        self.scalars.remove(&buffer.name);
        self.unwritten.made(&buffer);
        if let Some(old) = self.buffers.insert(buffer) {
            self.free_at(old.place, old.address);
        }
    }

    /// Takes a buffer out and gives its memory back; whether there was one.
    pub fn free_buffer(&mut self, name: &str) -> bool {
        let found = self.buffers.remove(name);
        self.journal.freed(name);
        if let Some(buffer) = &found {
            self.free_at(buffer.place, buffer.address);
        }
        found.is_some()
    }

    /// Describes the buffer, scalar or kernel of a name in a few lines.
    pub fn describe(&self, name: &str) -> Option<String> {
        if let Some(buffer) = self.buffers.get(name) {
            return Some(format!(
                "{name}  {} {:?}\nstrides {:?}, {} bytes at {:#x} on {}\nmade by {}",
                buffer.dtype,
                buffer.shape,
                buffer.strides,
                buffer.bytes,
                buffer.address,
                buffer.place,
                buffer.recipe.text()
            ));
        }
        if let Some(value) = self.scalars.get(name) {
            return Some(format!("{name} = {value}"));
        }
        self.kernels.get(name).map(Kernel::describe)
    }

    /// Forgets buffers, scalars, kernels and definitions. What was chosen stays chosen.
    pub fn reset(&mut self) {
        let names: Vec<String> = self.buffers.names().map(str::to_owned).collect();
        for name in names {
            self.free_buffer(&name);
        }
        self.journal = Journal::default();
        self.scalars = Scalars::default();
        self.kernels = Kernels::default();
        self.definitions = Definitions::default();
    }
}

/// What a running cell may use besides the workspace.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Receives the output, and answers questions.
    pub frontend: &'a dyn Frontend,
    /// The reader's interrupt.
    pub cancel: &'a Cancel,
}
