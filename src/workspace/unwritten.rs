//! Which buffers nothing has written: those that `empty` made, until a launch that may have.

use super::Buffers;
use warpbook_device::Buffer;
use warpbook_gpu::u64_from_le;

/// Names of buffers, and the launch that had each as an argument.
#[derive(Clone, Debug, Default)]
pub struct Unwritten {
    buffers: Vec<(String, Option<String>)>,
}

impl Unwritten {
    /// A buffer is made; `empty` leaves it as it comes.
    pub fn made(&mut self, buffer: &Buffer) {
        self.buffers.retain(|(name, _)| *name != buffer.name);
        if buffer.recipe.text().starts_with("empty") {
            self.buffers.push((buffer.name.clone(), None));
        }
    }

    /// Address and length of what a launch finds unwritten. The same launch once more finds what it found before.
    pub fn ranges(&self, buffers: &Buffers, launch: &str) -> Vec<(u64, u64)> {
        let open = self.buffers.iter().filter(|(_, by)| by.as_ref().is_none_or(|by| by == launch));
        open.filter_map(|(name, _)| buffers.get(name)).map(|buffer| (buffer.address, buffer.bytes)).collect()
    }

    /// A launch with these arguments ended well: what it could reach may be written.
    pub fn launched(&mut self, launch: &str, arguments: &[Vec<u8>], buffers: &Buffers) {
        let holds = |buffer: &Buffer| {
            let words = arguments.iter().flat_map(|argument| argument.chunks_exact(8));
            let mut addresses = words.map(u64_from_le);
            addresses.any(|address| address.wrapping_sub(buffer.address) < buffer.bytes.max(1))
        };
        self.buffers.retain_mut(|(name, by)| {
            let Some(buffer) = buffers.get(name) else { return false };
            if !holds(buffer) {
                return true;
            }
            match by {
                Some(by) => by == launch,
                None => {
                    *by = Some(launch.to_owned());
                    true
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warpbook_device::{Dtype, Place, Recipe};

    fn buffer(name: &str, recipe: &str, address: u64) -> Buffer {
        Buffer {
            name: name.into(),
            dtype: Dtype::F32,
            shape: vec![4],
            strides: vec![1],
            address,
            place: Place::Emulator,
            bytes: 16,
            recipe: Recipe::Initialiser(recipe.into()),
        }
    }

    #[test]
    fn a_launch_may_have_written_what_it_was_given() {
        let (mut unwritten, mut buffers) = (Unwritten::default(), Buffers::default());
        for buffer in [buffer("a", "empty(4)", 256), buffer("b", "empty(4)", 512), buffer("c", "zeros(4)", 768)] {
            unwritten.made(&buffer);
            buffers.insert(buffer);
        }
        assert_eq!(unwritten.ranges(&buffers, "k v1"), [(256, 16), (512, 16)]);
        unwritten.launched("k v1", &[260u64.to_le_bytes().to_vec()], &buffers);
        assert_eq!(unwritten.ranges(&buffers, "k v1"), [(256, 16), (512, 16)]);
        assert_eq!(unwritten.ranges(&buffers, "k v2"), [(512, 16)]);
        unwritten.made(&buffer("b", "ones(4)", 512));
        assert_eq!(unwritten.ranges(&buffers, "k v2"), []);
    }
}
