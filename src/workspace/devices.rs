//! The devices of a session: which one runs kernels, which buffers live where, how they move.
//!
//! One device is the current one, in [`Workspace::device`]; the others keep their memory beside it. A buffer moves when
//! that is asked for, and never by itself.

use std::sync::Arc;

use super::Workspace;
use super::starter::Starter;
use warpbook_compiler::Target;
use warpbook_device::{Buffer, Device, Emulated, Place, View};
use warpbook_diagnostic::{Diagnostic, Result, interrupt};

/// The places and addresses of the buffers before they moved to another device, in their order.
pub struct Homes(Vec<(Place, u64)>);

impl Workspace {
    /// A workspace whose GPUs are started by another function than the usual one: tests have none.
    pub fn with_starter(starter: Starter) -> Self {
        Self { starter, ..Self::default() }
    }

    /// The device's name as `%device` takes it.
    pub fn device_name(&self) -> String {
        self.device.name()
    }

    /// Every device that is in use, the current one first.
    pub fn devices(&self) -> impl Iterator<Item = &dyn Device> {
        std::iter::once(&self.device).chain(&self.others).map(AsRef::as_ref)
    }

    /// The device of a place, if it is in use.
    pub fn device_at(&self, place: Place) -> Option<&dyn Device> {
        self.devices().find(|device| device.place() == place)
    }

    /// As [`Self::device_at`], with write access.
    pub fn device_at_mut(&mut self, place: Place) -> Option<&mut Box<dyn Device>> {
        std::iter::once(&mut self.device).chain(&mut self.others).find(|device| device.place() == place)
    }

    /// The bytes of a view's elements, wherever it lives.
    pub fn read(&self, view: &View) -> Result<Vec<u8>> {
        match self.device_at(view.place) {
            Some(device) => view.read(device),
            None => Err(not_in_use(view.place)),
        }
    }

    /// The bytes of a whole buffer.
    pub fn bytes_of(&self, buffer: &Buffer) -> Result<Vec<u8>> {
        self.read(&buffer.view())
    }

    /// The buffers that live in a place.
    pub fn buffers_at(&self, place: Place) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter().filter(move |buffer| buffer.place == place)
    }

    /// True if every buffer lives on the current device.
    pub fn is_in_one_place(&self) -> bool {
        self.buffers.iter().all(|buffer| buffer.place == self.device.place())
    }

    pub(super) fn free_at(&mut self, place: Place, address: u64) {
        if let Some(device) = self.device_at_mut(place) {
            device.free(address);
        }
    }

    /// Most bytes that copies of buffers may take on the host.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Sets how many bytes of host memory snapshots of GPU buffers may take.
    pub fn set_budget(&mut self, bytes: u64) {
        self.budget = bytes;
        std::iter::once(&mut self.device).chain(&mut self.others).for_each(|device| device.set_budget(bytes));
    }

    /// True if the emulator uses the host's arithmetic for tensor cores (`%config arithmetic fast`).
    pub fn is_fast(&self) -> bool {
        self.fast
    }

    /// Chooses between exact and fast tensor-core arithmetic of the emulator.
    pub fn set_fast(&mut self, fast: bool) {
        self.fast = fast;
        std::iter::once(&mut self.device).chain(&mut self.others).for_each(|device| device.set_fast_arithmetic(fast));
    }

    /// Compiles for another architecture from now on. The emulator changes with it unless `%device` has set it.
    pub fn set_target(&mut self, target: Target) {
        if self.emulated.is_none() && self.device.is_emulated() {
            self.device.emulate(target.0);
        }
        self.target = target;
    }

    /// Runs kernels on the emulator: of one architecture, or of the target's, whatever that is. The buffers of the
    /// device before come along unless they are to stay; returns the names of those that came.
    pub fn use_emulator(&mut self, architecture: Option<Target>, stay: bool) -> Result<Vec<String>> {
        let moved = self.change_device(Place::Emulator, stay)?;
        self.device.emulate(architecture.unwrap_or(self.target).0);
        self.emulated = architecture;
        Ok(moved)
    }

    /// Runs kernels on a GPU and compiles for it from now on, if its architecture is a target. Buffers as in
    /// [`Self::use_emulator`]. The process that owns the GPU stays when another device is chosen.
    pub fn use_gpu(&mut self, number: u32, stay: bool) -> Result<Vec<String>> {
        let moved = self.change_device(Place::Gpu(number), stay)?;
        let own = Target(self.device.capability());
        if Target::SUPPORTED.contains(&own) {
            self.target = own;
        }
        self.emulated = None;
        Ok(moved)
    }

    /// Nothing changes if it fails.
    fn change_device(&mut self, place: Place, stay: bool) -> Result<Vec<String>> {
        self.ensure(place)?;
        let from = self.device.place();
        let names: Vec<String> = match stay || from == place {
            true => Vec::new(),
            false => self.buffers_at(from).map(|buffer| buffer.name.clone()).collect(),
        };
        self.move_buffers(&names, place)?;
        self.select(place);
        Ok(names)
    }

    /// Starts the device of a place unless it runs.
    pub fn ensure(&mut self, place: Place) -> Result<()> {
        if self.device_at(place).is_some() {
            return self.revive_at(place).map(|_| ());
        }
        let mut device: Box<dyn Device> = match place {
            Place::Emulator => {
                Box::new(Emulated::new(self.emulated.unwrap_or(self.target).0).with_fast_arithmetic(self.fast))
            }
            Place::Gpu(_) => (self.starter)(&place.to_string())?,
        };
        device.set_budget(self.budget);
        self.others.push(device);
        Ok(())
    }

    /// Makes the device of a place, which runs, the current one; returns the place of the one before.
    pub fn select(&mut self, place: Place) -> Place {
        let before = self.device.place();
        if let Some(index) = self.others.iter().position(|device| device.place() == place) {
            std::mem::swap(&mut self.device, &mut self.others[index]);
        }
        before
    }

    /// Moves buffers to the device of a place, with what they hold; nothing changes if that fails. Those that live
    /// there stay.
    pub fn move_buffers(&mut self, names: &[String], to: Place) -> Result<()> {
        self.ensure(to)?;
        let moving: Vec<Buffer> =
            self.buffers.iter().filter(|b| b.place != to && names.contains(&b.name)).cloned().collect();
        let mut addresses = Vec::with_capacity(moving.len());
        let moved = moving.iter().try_for_each(|buffer| {
            self.ensure(buffer.place)?;
            let bytes = self.bytes_of(buffer)?;
            let device = self.device_at_mut(to).ok_or_else(|| not_in_use(to))?;
            let address = device.allocate(&buffer.name, buffer.bytes)?;
            addresses.push(address);
            device.write(address, &bytes)
        });
        if let Err(error) = moved {
            addresses.into_iter().for_each(|address| self.free_at(to, address));
            return Err(error);
        }
        for (old, address) in moving.iter().zip(addresses) {
            if let Some(buffer) = self.buffers.iter_mut().find(|buffer| buffer.name == old.name) {
                (buffer.place, buffer.address) = (to, address);
            }
            self.free_at(old.place, old.address);
        }
        Ok(())
    }

    /// Starts the current device again if it is lost. Returns the names of the buffers whose values could not be given
    /// back.
    pub fn revive(&mut self) -> Result<Vec<String>> {
        self.revive_at(self.device.place())
    }

    /// As [`Self::revive`], for the device of a place.
    pub fn revive_at(&mut self, place: Place) -> Result<Vec<String>> {
        let Some(device) = self.device_at_mut(place).filter(|device| device.is_lost()) else { return Ok(Vec::new()) };
        let moved = device.restart()?;
        let mut gone = Vec::new();
        for buffer in self.buffers.iter_mut().filter(|buffer| buffer.place == place) {
            if let Some(moved) = moved.iter().find(|moved| moved.from == buffer.address) {
                buffer.address = moved.to;
                if !moved.restored {
                    gone.push(buffer.name.clone());
                }
            }
        }
        Ok(gone)
    }

    /// Places whose devices are lost.
    pub fn lost_places(&self) -> Vec<Place> {
        self.devices().filter(|device| device.is_lost()).map(Device::place).collect()
    }

    /// Puts another device in the place of the current one for a while, with copies of all buffers: what `contents` says
    /// that they hold, else what they hold now. `None`, and no change, if something is missing.
    pub fn swap_device(
        &mut self,
        device: Box<dyn Device>,
        contents: impl Fn(&str) -> Option<Arc<[u8]>>,
    ) -> Option<(Box<dyn Device>, Homes)> {
        let own = std::mem::replace(&mut self.device, device);
        let temporary = self.device.place();
        self.others.push(own);
        let homes = self.copy_here(contents);
        let own = self.others.pop()?;
        match homes {
            Some(homes) => Some((own, homes)),
            None => {
                let device = std::mem::replace(&mut self.device, own);
                debug_assert_eq!(device.place(), temporary);
                self.park(device);
                None
            }
        }
    }

    /// Copies of all buffers on the current device, which stand in for them from now on. Contents as in
    /// [`Self::swap_device`].
    pub fn copy_here(&mut self, contents: impl Fn(&str) -> Option<Arc<[u8]>>) -> Option<Homes> {
        // A copy that is missing would be told as a lack of memory.
        interrupt::shielded(|| self.copy_all_here(contents))
    }

    fn copy_all_here(&mut self, contents: impl Fn(&str) -> Option<Arc<[u8]>>) -> Option<Homes> {
        let mut addresses = Vec::new();
        let copied = self.buffers.iter().try_for_each(|buffer| {
            let bytes = match contents(&buffer.name) {
                Some(bytes) => bytes,
                // The last of the others is the device that is stood in for: it is looked for first.
                None => {
                    let homes = self.others.iter().rev().map(AsRef::as_ref).chain([self.device.as_ref()]);
                    let home = homes.into_iter().find(|device| device.place() == buffer.place)?;
                    buffer.view().read(home).ok()?.into()
                }
            };
            let address = self.device.allocate(&buffer.name, buffer.bytes).ok()?;
            addresses.push(address);
            self.device.write(address, &bytes).ok()
        });
        if copied.is_none() {
            addresses.into_iter().for_each(|address| self.device.free(address));
            return None;
        }
        let place = self.device.place();
        Some(self.place_buffers(addresses.into_iter().map(|address| (place, address))))
    }

    /// Moves the buffers back to where they were before [`Self::copy_here`].
    pub fn copy_away(&mut self, homes: Homes) {
        for (_, address) in self.place_buffers(homes.0.into_iter()).0 {
            self.device.free(address);
        }
    }

    /// Undoes [`Self::swap_device`]: the copies are freed, and a GPU that stood in is kept.
    pub fn swap_back(&mut self, own: Box<dyn Device>, homes: Homes) {
        self.copy_away(homes);
        let device = std::mem::replace(&mut self.device, own);
        self.park(device);
    }

    /// The device of a name, to stand in for a while: a GPU that is in use or a new one, or an emulator. `emu` emulates
    /// the current device's architecture, or the target's.
    pub fn other_device(&mut self, name: &str) -> Result<Box<dyn Device>> {
        let own = if self.device.is_emulated() { self.target.0 } else { self.device.capability() };
        let (plain, fast) = name.strip_suffix(":fast").map_or((name, self.fast), |plain| (plain, true));
        let emulated =
            |capability: u32| Ok(Box::new(Emulated::new(capability).with_fast_arithmetic(fast)) as Box<dyn Device>);
        match (Place::from_name(name), plain.split_once(':')) {
            (Some(place @ Place::Gpu(_)), _) => {
                self.ensure(place)?;
                let index = self.others.iter().position(|device| device.place() == place);
                index.map(|index| self.others.swap_remove(index)).ok_or_else(|| not_in_use(place))
            }
            (Some(Place::Emulator), None) => emulated(own),
            (Some(Place::Emulator), Some((_, architecture))) if architecture.parse::<Target>().is_ok() => {
                emulated(architecture.parse::<Target>().map_or(own, |target| target.0))
            }
            _ => Err(Diagnostic::error("unknown-device", format!("there is no device `{name}`"))
                .help("`emu`, `emu:ARCH` or `cuda:N`")),
        }
    }

    /// Keeps a device that is not the current one. Of emulators there is one that is kept.
    fn park(&mut self, device: Box<dyn Device>) {
        if self.device_at(device.place()).is_none() {
            self.others.push(device);
        }
    }

    /// Gives every buffer another home, in order; returns those that they had.
    fn place_buffers(&mut self, homes: impl Iterator<Item = (Place, u64)>) -> Homes {
        let buffers = self.buffers.iter_mut().zip(homes);
        let old = buffers.map(|(buffer, (place, address))| {
            (std::mem::replace(&mut buffer.place, place), std::mem::replace(&mut buffer.address, address))
        });
        Homes(old.collect())
    }
}

fn not_in_use(place: Place) -> Diagnostic {
    let message = format!("{place} is not in use in this session");
    Diagnostic::error("device-not-in-use", message).help(format!("`%device {place}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Scalar;
    use crate::workspace::fixture::put_zeros;
    use warpbook_device::Dtype;

    #[test]
    fn buffers_stay_when_another_architecture_is_emulated() {
        let mut workspace = Workspace::default();
        workspace.scalars.set("a", Scalar::Int(1));
        let address = put_zeros(&mut workspace, "a", Dtype::U8, &[4]);
        workspace.device.write(address, &[1, 2, 3, 4]).expect("written");
        assert_eq!(workspace.scalars.get("a"), None);
        workspace.set_target(Target(90));
        assert_eq!(workspace.device_name(), "emu:sm_90");
        workspace.use_emulator(Some(Target(75)), false).expect("set");
        workspace.set_target(Target(80));
        assert_eq!(workspace.device_name(), "emu:sm_75");
        let view = workspace.buffers.get("a").expect("a").view();
        assert_eq!(workspace.read(&view).expect("read"), [1, 2, 3, 4]);
        assert!(workspace.free_buffer("a") && !workspace.free_buffer("a"));
        workspace.use_emulator(None, false).expect("set");
        assert_eq!(workspace.device_name(), "emu:sm_80");
    }
}
