//! Buffers that were lost and of which no copy was kept: made again from their recipes, and by the launches that wrote
//! them. A digest of what they held tells whether that worked.

use crate::launch::plan::LaunchPlan;
use crate::launch::prepare::launch_once;
use crate::workspace::recipe::remake;
use crate::workspace::{Context, Input, Launched, Maker, State, Workspace};
use warpbook_compiler::{Artifact, Stage};
use warpbook_device::Place;
use warpbook_device::cuda::content_digest;
use warpbook_diagnostic::{Diagnostic, Result, interrupt};

/// Makers that are gone through for one buffer.
const DEEPEST: usize = 64;

/// How lost buffers were restored.
#[derive(Clone, Debug, Default)]
pub struct Rebuilt {
    /// Names with how they were made again.
    pub made: Vec<String>,
    /// Names with the reasons why they are lost.
    pub lost: Vec<String>,
}

impl Rebuilt {
    /// The result in words; `None` if nothing was lost.
    pub fn text(&self) -> Option<String> {
        let made =
            (!self.made.is_empty()).then(|| format!("made again, the same to the bit: {}", self.made.join(", ")));
        let lost = (!self.lost.is_empty()).then(|| format!("their values are lost: {}", self.lost.join(", ")));
        match (made, lost) {
            (Some(made), Some(lost)) => Some(format!("{made}; {lost}")),
            (made, lost) => made.or(lost),
        }
    }
}

/// Starts a lost device again and gives its buffers back what they held: from copies, or by making it again.
pub fn recover(place: Place, workspace: &mut Workspace, context: Context<'_>) -> Result<Rebuilt> {
    let gone = workspace.revive_at(place)?;
    let lost = gone.into_iter().map(|name| (workspace.journal.digest(&name), name));
    let lost = lost.map(|(digest, name)| (name, digest)).collect();
    Ok(rebuild(lost, workspace, context))
}

/// Makes lost buffers again, each with the digest of what it held, where that is known.
pub fn rebuild(lost: Vec<(String, Option<u64>)>, workspace: &mut Workspace, context: Context<'_>) -> Rebuilt {
    interrupt::shielded(|| rebuild_each(lost, workspace, context))
}

fn rebuild_each(mut lost: Vec<(String, Option<u64>)>, workspace: &mut Workspace, context: Context<'_>) -> Rebuilt {
    let mut rebuilt = Rebuilt::default();
    while let Some((name, digest)) = lost.first().cloned() {
        let untrusted: Vec<String> = lost.iter().map(|(name, _)| name.clone()).collect();
        let mut attempt = Attempt { untrusted: &untrusted, depth: 0, context };
        match attempt.buffer(&name, digest, workspace) {
            Ok(how) => rebuilt.made.push(format!("{name} ({how})")),
            Err(why) => {
                workspace.journal.lost(&name);
                rebuilt.lost.push(format!("{name} ({})", why.message));
            }
        }
        lost.remove(0);
    }
    rebuilt
}

struct Attempt<'a> {
    /// Live buffers whose contents may differ from the journal.
    untrusted: &'a [String],
    depth: usize,
    context: Context<'a>,
}

fn because(why: impl Into<String>) -> Diagnostic {
    Diagnostic::error("lost", why)
}

impl Attempt<'_> {
    fn buffer(&mut self, name: &str, digest: Option<u64>, workspace: &mut Workspace) -> Result<String> {
        let digest =
            digest.ok_or_else(|| because("there was not enough memory for a copy of it (`%config snapshots`)"))?;
        let state = workspace.journal.state(name).ok_or_else(|| because("it is not known what wrote it"))?;
        let (bytes, how) = self.contents(state, workspace)?;
        if content_digest(&bytes) != digest {
            return Err(because(format!("{how} gave other values")));
        }
        let (place, address) = match workspace.buffers.get(name) {
            Some(buffer) => (buffer.place, buffer.address),
            None => return Err(because("it is not there")),
        };
        let device = workspace.device_at_mut(place).ok_or_else(|| because("its device is lost"))?;
        device.write(address, &bytes)?;
        workspace.journal.note(name, digest);
        Ok(how)
    }

    /// The contents of a state, and how they were found.
    fn contents(&mut self, state: State, workspace: &mut Workspace) -> Result<(Vec<u8>, String)> {
        self.context.cancel.check()?;
        if let Some(name) = workspace.journal.holder(state)
            && !self.untrusted.iter().any(|lost| lost == name)
            && let Some(buffer) = workspace.buffers.get(name)
        {
            return Ok((workspace.bytes_of(buffer)?, format!("what `{name}` holds")));
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(because("too many launches made it"));
        }
        let maker = workspace
            .journal
            .maker(state)
            .ok_or_else(|| because("it was made too long ago: what made it is forgotten"))?;
        match maker.as_ref() {
            Maker::Made { buffer, inputs, scalars } => {
                let inputs = self.inputs(inputs, workspace)?;
                let cancel = self.context.cancel;
                // Expressions are the host's: the emulator's memory is the one that is always there.
                let bytes = workspace.in_the_past(Place::Emulator, inputs, scalars.clone(), |workspace| {
                    remake(buffer, workspace, cancel)
                })?;
                Ok((bytes, buffer.recipe.text()))
            }
            Maker::Launched(launched) => self.launch(launched, state, workspace),
        }
    }

    fn inputs(
        &mut self,
        inputs: &[Input],
        workspace: &mut Workspace,
    ) -> Result<Vec<(warpbook_device::Buffer, Vec<u8>)>> {
        inputs.iter().map(|input| Ok((input.buffer.clone(), self.contents(input.state, workspace)?.0))).collect()
    }

    /// Launches again what wrote a state.
    fn launch(&mut self, launched: &Launched, state: State, workspace: &mut Workspace) -> Result<(Vec<u8>, String)> {
        let Launched { kernel, version, launch, scalars, place, capability, .. } = launched;
        let written = launched.inputs.iter().find(|input| input.state.is_of_same_buffer(state));
        let name = match written {
            Some(input) => input.buffer.name.clone(),
            None => {
                return Err(because(format!(
                    "`{kernel}` v{} wrote it without having it as an argument",
                    version.number
                )));
            }
        };
        if let Some(why) = &launched.fixed {
            return Err(because(format!("`{kernel}` v{} {why}", version.number)));
        }
        if version.artifact(Stage::Ptx).and_then(Artifact::text).is_some_and(adds_in_any_order) {
            return Err(because(format!("`{kernel}` v{} adds with atomics, whose order is not fixed", version.number)));
        }
        let inputs = self.inputs(&launched.inputs, workspace)?;
        let cancel = self.context.cancel;
        let bytes = workspace.in_the_past(*place, inputs, scalars.clone(), |workspace| {
            let own = workspace.device.capability();
            workspace.device.emulate(*capability);
            let plan = LaunchPlan::new(kernel, version.clone(), launch.clone());
            let outcome = launch_once(&plan, None, workspace, cancel);
            workspace.device.emulate(own);
            outcome?;
            match workspace.buffers.get(&name) {
                Some(buffer) => workspace.bytes_of(buffer),
                None => Err(because("it is not there")),
            }
        })?;
        Ok((bytes, format!("`{kernel}` v{} launched again", version.number)))
    }
}

/// True if PTX adds floating-point numbers with atomics, or by copies that reduce: in an order that nothing fixes.
fn adds_in_any_order(ptx: &str) -> bool {
    warpbook_ptx::lines::opcodes(ptx).any(|opcode| opcode.adds_floats_in_memory())
}

#[cfg(test)]
mod tests {
    use super::adds_in_any_order;

    #[test]
    fn only_floating_point_additions_depend_on_the_order() {
        assert!(adds_in_any_order("  @%p1 atom.global.gpu.acq_rel.add.f32 %f1, [%rd1], %f2;"));
        assert!(adds_in_any_order("\tred.global.add.noftz.bf16x2 [%rd1], %r2;"));
        assert!(adds_in_any_order("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.f32 [x], [y];"));
        assert!(!adds_in_any_order("// atom.add.f32\n  atom.global.add.u32 %r1, [%rd1], 1;\n  add.f32 %f1, %f2, %f3;"));
        assert!(!adds_in_any_order("atom.global.max.f32 %f1, [%rd1], %f2;"));
    }
}
