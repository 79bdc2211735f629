//! What a block has printed and nobody has taken yet.

/// Most bytes of text that a launch shows, as much as CUDA's own buffer for `printf` holds by default (CUDA Programming
/// Guide, "Formatted Output": 1 MB).
pub(crate) const MOST_PRINTED: usize = 1 << 20;

/// Printed text, of which no more is kept than can be shown.
#[derive(Default)]
pub(crate) struct Printed {
    /// The text that was kept.
    pub text: String,
    /// Number of bytes that were not.
    pub dropped: u64,
}

impl Printed {
    /// Adds text, as far as there is room.
    pub fn push(&mut self, text: &str) {
        let room = MOST_PRINTED.saturating_sub(self.text.len());
        // Nothing is kept behind a gap.
        let kept = if self.dropped > 0 { 0 } else { text.floor_char_boundary(room) };
        self.text.push_str(&text[..kept]);
        self.dropped += (text.len() - kept) as u64;
    }
}
