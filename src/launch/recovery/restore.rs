//! Gives buffers back what they held in a snapshot.

use super::rebuild::{Rebuilt, rebuild};
use crate::launch::snapshot::Snapshot;
use crate::workspace::{Context, Workspace};
use warpbook_device::Place;
use warpbook_diagnostic::{Result, interrupt};

impl Snapshot {
    /// Puts the contents back; lost devices are started again first. Returns one sentence on how that went.
    pub fn restore(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<String> {
        interrupt::shielded(|| self.restore_all(workspace, context))
    }

    fn restore_all(&self, workspace: &mut Workspace, context: Context<'_>) -> Result<String> {
        let lost = workspace.lost_places();
        let mut other_places = Vec::new();
        for &place in &lost {
            // What it cannot give back comes from here, or is made again below.
            let gone = workspace.revive_at(place)?;
            let ours = |name: &String| self.contents(name).is_some() || self.digest(name).is_some();
            let others = gone.into_iter().filter(|name| !ours(name));
            other_places.extend(others.map(|name| (workspace.journal.digest(&name), name)));
        }
        let names = |all: &[(String, u64)]| all.iter().map(|(name, _)| name.clone()).collect();
        let saved = self.saved.iter().map(|(name, _)| name.clone()).collect();
        let digests: Vec<_> = self.left_out.clone();
        let now = Self::take_named(saved, names(&digests), workspace)?;
        self.give_back(&now, workspace)?;
        let spoilt = digests.iter().filter(|(name, before)| now.digest(name) != Some(*before));
        let spoilt = spoilt.map(|(name, before)| (name.clone(), Some(*before)));
        let spoilt = spoilt.chain(other_places.into_iter().map(|(digest, name)| (name, digest))).collect();
        let rebuilt = rebuild(spoilt, workspace, context);
        Ok(sentence(&lost, &rebuilt, workspace))
    }
}

/// One sentence about the buffers: restored, or lost.
fn sentence(lost: &[Place], rebuilt: &Rebuilt, workspace: &Workspace) -> String {
    let places: Vec<String> = lost.iter().map(|place| place.to_string()).collect();
    let again = match places.as_slice() {
        [] => String::new(),
        [place] => format!("{place} was started again, and "),
        places => format!("{} were started again, and ", places.join(" and ")),
    };
    let every = match rebuilt.lost.is_empty() {
        true => "every buffer has the value that it had before the launch",
        false => "every other buffer has the value that it had before the launch",
    };
    let apart = match lost {
        [place] if workspace.buffers.iter().any(|buffer| buffer.place != *place) => {
            "; buffers on other devices were not touched"
        }
        _ => "",
    };
    let details = rebuilt.text().map_or(String::new(), |text| format!("; {text}"));
    format!("{again}{every}{apart}{details}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::Nobody;
    use crate::workspace::fixture::put_zeros;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use warpbook_device::Dtype;
    use warpbook_process::cancel::Cancel;

    #[test]
    fn an_interrupt_ends_copies_and_not_what_puts_them_back() {
        let mut workspace = Workspace::default();
        let address = put_zeros(&mut workspace, "a", Dtype::U8, &[4]);
        workspace.device.write(address, &[1, 2, 3, 4]).expect("written");
        let before = Snapshot::take(&mut workspace).expect("taken");
        workspace.device.write(address, &[9; 4]).expect("written");
        let cancel = Cancel::new();
        let context = Context { frontend: &Nobody, cancel: &cancel };
        let set = Arc::new(AtomicBool::new(true));
        let told = interrupt::under(&set, || {
            let error = Snapshot::take(&mut workspace).err().expect("interrupted");
            assert!(error.is_interrupted());
            before.restore(&mut workspace, context).expect("restored")
        });
        assert_eq!(told, "every buffer has the value that it had before the launch");
        let mut now = [0; 4];
        workspace.device.read(address, &mut now).expect("read");
        assert_eq!(now, [1, 2, 3, 4]);
    }
}
