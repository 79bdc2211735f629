//! What a session holds between cells: named buffers, scalars, kernels with their versions, and the chosen target.
//!
//! Magics read and change it; it knows nothing of cells or of Jupyter.

mod buffers;
mod definitions;
mod kernels;
mod scalars;
mod scope;
pub mod tensors;
mod views;

pub use buffers::Buffers;
pub use definitions::Definitions;
pub use kernels::{Kernel, Kernels, LaunchSpec, Version};
pub use scalars::Scalars;
pub use scope::WorkspaceScope;
pub use views::resolve_view;

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::compiler::{Compiler, Stage, Target, environment};
use crate::device::cuda::Hosted;
use crate::device::{Buffer, Device, Emulated};
use crate::diagnostic::{Diagnostic, Result};
use crate::frontend::Frontend;

/// The state of a session.
pub struct Workspace {
    /// What is compiled for (`%target`).
    pub target: Target,
    /// Where kernels run (`%device`).
    pub device: Box<dyn Device>,
    /// Named buffers in the device's memory.
    pub buffers: Buffers,
    /// Named scalars.
    pub scalars: Scalars,
    /// Kernels with their versions.
    pub kernels: Kernels,
    /// Python of earlier cells.
    pub definitions: Definitions,
    /// The compiler, with its workers.
    pub compiler: Compiler,
    /// The version of Triton that `%triton` chose.
    pub triton: Option<String>,
    /// The architecture that is emulated whatever is compiled for; `None` follows the target.
    emulated: Option<Target>,
    /// GPUs that were in use before, without memory.
    parked: Vec<Box<dyn Device>>,
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
            compiler: Compiler::default(),
            triton: None,
            emulated: None,
            parked: Vec::new(),
        }
    }
}

impl Workspace {
    /// What names mean in expressions.
    pub fn scope(&self) -> WorkspaceScope<'_> {
        WorkspaceScope(self)
    }

    /// The version of Triton that compiles a cell of this stage. Gluon needs a newer one than the default.
    pub fn triton_for(&self, stage: Stage) -> String {
        let chosen = self.triton.as_deref().unwrap_or_else(|| self.compiler.default_version());
        let minor = chosen.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(0u32);
        if stage == Stage::Gluon && chosen.starts_with("3.") && minor < 6 {
            return environment::GLUON_TRITON.to_owned();
        }
        chosen.to_owned()
    }

    /// Puts a buffer in, and gives back the memory of the one that it replaces. A name is either a buffer or a scalar.
    pub fn put_buffer(&mut self, buffer: Buffer) {
        self.scalars.remove(&buffer.name);
        if let Some(old) = self.buffers.insert(buffer) {
            self.device.free(old.address);
        }
    }

    /// Takes a buffer out and gives its memory back; whether there was one.
    pub fn free_buffer(&mut self, name: &str) -> bool {
        let found = self.buffers.remove(name);
        if let Some(buffer) = &found {
            self.device.free(buffer.address);
        }
        found.is_some()
    }

    /// What a name stands for, in a few lines.
    pub fn describe(&self, name: &str) -> Option<String> {
        if let Some(buffer) = self.buffers.get(name) {
            return Some(format!(
                "{name}  {} {:?}\nstrides {:?}, {} bytes at {:#x} on {}\nmade by {}",
                buffer.dtype,
                buffer.shape,
                buffer.strides,
                buffer.bytes,
                buffer.address,
                self.device_name(),
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
        self.scalars = Scalars::default();
        self.kernels = Kernels::default();
        self.definitions = Definitions::default();
    }

    /// Compiles for another architecture from now on; the emulator follows unless it was told otherwise.
    pub fn set_target(&mut self, target: Target) -> Result<()> {
        if self.emulated.is_none() && self.device.is_emulated() {
            self.move_to(Box::new(Emulated::new(target.0)))?;
        }
        self.target = target;
        Ok(())
    }

    /// Runs kernels on the emulator: of one architecture, or of the target's, whatever that is.
    pub fn set_emulated(&mut self, architecture: Option<Target>) -> Result<()> {
        let capability = architecture.unwrap_or(self.target).0;
        if !self.device.is_emulated() || self.device.capability() != capability {
            self.move_to(Box::new(Emulated::new(capability)))?;
        }
        self.emulated = architecture;
        Ok(())
    }

    /// Runs kernels on a GPU, `cuda:0`, and compiles for it from now on, if its architecture is a target. The process
    /// that owns the GPU stays when another device is chosen, so that coming back is quick.
    pub fn set_gpu(&mut self, name: &str) -> Result<()> {
        let parked = self.parked.iter().position(|device| device.name() == name);
        if self.device.name() != name {
            let device = match parked.map(|index| self.parked.swap_remove(index)) {
                Some(mut device) => {
                    if device.is_lost() {
                        device.restart()?;
                    }
                    device
                }
                None => Box::new(Hosted::start(name)?),
            };
            self.move_to(device)?;
        }
        let own = Target(self.device.capability());
        if Target::SUPPORTED.contains(&own) {
            self.target = own;
        }
        self.emulated = None;
        Ok(())
    }

    /// Moves every buffer to another device; nothing changes if that fails.
    fn move_to(&mut self, mut device: Box<dyn Device>) -> Result<()> {
        if device.name() == self.device.name() {
            return Ok(());
        }
        self.revive()?;
        let mut addresses = Vec::new();
        let moved = self.buffers.iter().try_for_each(|buffer| {
            let mut bytes = vec![0; buffer.bytes as usize];
            self.device.read(buffer.address, &mut bytes)?;
            let address = device.allocate(&buffer.name, buffer.bytes)?;
            addresses.push(address);
            device.write(address, &bytes)
        });
        if let Err(error) = moved {
            addresses.into_iter().for_each(|address| device.free(address));
            self.park(device);
            return Err(error);
        }
        for address in self.place_buffers(addresses) {
            self.device.free(address);
        }
        let old = std::mem::replace(&mut self.device, device);
        self.park(old);
        Ok(())
    }

    /// Keeps a GPU that is not in use now.
    fn park(&mut self, device: Box<dyn Device>) {
        if !device.is_emulated() {
            self.parked.push(device);
        }
    }

    /// Starts a lost device again. Returns the names of the buffers whose values could not be given back.
    pub fn revive(&mut self) -> Result<Vec<String>> {
        if !self.device.is_lost() {
            return Ok(Vec::new());
        }
        let moved = self.device.restart()?;
        let mut gone = Vec::new();
        for buffer in self.buffers.iter_mut() {
            if let Some(moved) = moved.iter().find(|moved| moved.from == buffer.address) {
                buffer.address = moved.to;
                if !moved.restored {
                    gone.push(buffer.name.clone());
                }
            }
        }
        Ok(gone)
    }

    /// Puts another device in the place of the current one for a while, with buffers that hold what `contents` says.
    /// Returns the current device and the buffers' addresses on it; `None`, and no change, if something is missing.
    pub fn swap_device(
        &mut self,
        mut device: Box<dyn Device>,
        contents: impl Fn(&str) -> Option<Arc<[u8]>>,
    ) -> Option<(Box<dyn Device>, Vec<u64>)> {
        let mut addresses = Vec::new();
        for buffer in self.buffers.iter() {
            let bytes = contents(&buffer.name)?;
            let address = device.allocate(&buffer.name, buffer.bytes).ok()?;
            device.write(address, &bytes).ok()?;
            addresses.push(address);
        }
        let old = self.place_buffers(addresses);
        Some((std::mem::replace(&mut self.device, device), old))
    }

    /// The device of a name, to stand in for a while: a GPU that was in use before or a new one, or an emulator. `emu`
    /// emulates the current device's architecture, or the target's.
    pub fn other_device(&mut self, name: &str) -> Result<Box<dyn Device>> {
        if let Some(index) = self.parked.iter().position(|device| device.name() == name) {
            let mut device = self.parked.swap_remove(index);
            if device.is_lost() {
                device.restart()?;
            }
            return Ok(device);
        }
        let own = if self.device.is_emulated() { self.target.0 } else { self.device.capability() };
        let emulated = |capability: u32| Ok(Box::new(Emulated::new(capability)) as Box<dyn Device>);
        match name.split_once(':') {
            Some(("cuda", number)) if number.parse::<u32>().is_ok() => Ok(Box::new(Hosted::start(name)?)),
            Some(("emu", architecture)) if architecture.parse::<Target>().is_ok() => {
                emulated(architecture.parse::<Target>().map_or(own, |target| target.0))
            }
            None if name == "emu" => emulated(own),
            _ => Err(Box::new(
                Diagnostic::error("unknown-device", format!("there is no device `{name}`"))
                    .help("`emu`, `emu:ARCH` or `cuda:N`"),
            )),
        }
    }

    /// Frees the buffers' memory on a device that stood in, and keeps it if it is a GPU.
    pub fn dismiss(&mut self, mut device: Box<dyn Device>, addresses: Vec<u64>) {
        for address in addresses {
            device.free(address);
        }
        self.park(device);
    }

    /// Undoes [`Self::swap_device`]; returns the device that stood in, and the buffers' addresses on it.
    pub fn swap_back(&mut self, device: Box<dyn Device>, addresses: Vec<u64>) -> (Box<dyn Device>, Vec<u64>) {
        let old = self.place_buffers(addresses);
        (std::mem::replace(&mut self.device, device), old)
    }

    /// Gives every buffer another address, in order; returns the addresses that they had.
    fn place_buffers(&mut self, addresses: Vec<u64>) -> Vec<u64> {
        let buffers = self.buffers.iter_mut().zip(addresses);
        buffers.map(|(buffer, address)| std::mem::replace(&mut buffer.address, address)).collect()
    }

    /// The device's name as `%device` takes it.
    pub fn device_name(&self) -> String {
        self.device.name()
    }
}

/// What a running cell may use besides the workspace.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who reads the output.
    pub frontend: &'a dyn Frontend,
    /// The reader's interrupt.
    pub cancel: &'a Cancel,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Dtype, Recipe};
    use crate::expression::Scalar;

    #[test]
    fn buffers_move_along_with_the_emulated_architecture() {
        let mut workspace = Workspace::default();
        let address = workspace.device.allocate("a", 4).expect("memory");
        workspace.device.write(address, &[1, 2, 3, 4]).expect("written");
        workspace.scalars.set("a", Scalar::Int(1));
        workspace.put_buffer(Buffer {
            name: "a".into(),
            dtype: Dtype::U8,
            shape: vec![4],
            strides: vec![1],
            address,
            bytes: 4,
            recipe: Recipe::Initialiser("arange(4)".into()),
        });
        assert_eq!(workspace.scalars.get("a"), None);
        workspace.set_target(Target(90)).expect("set");
        assert_eq!(workspace.device_name(), "emu:sm_90");
        workspace.set_emulated(Some(Target(75))).expect("set");
        workspace.set_target(Target(80)).expect("set");
        assert_eq!(workspace.device_name(), "emu:sm_75");
        let view = workspace.buffers.get("a").expect("a").view();
        assert_eq!(view.read(workspace.device.as_ref()).expect("read"), [1, 2, 3, 4]);
        assert!(workspace.free_buffer("a") && !workspace.free_buffer("a"));
        workspace.set_emulated(None).expect("set");
        assert_eq!(workspace.device_name(), "emu:sm_80");
    }
}
