//! Mutations of PTX that leave most of it PTX: of lines, of operands, of modifiers, of numbers.

/// Words that a kernel may not hold itself.
const WORDS: [&str; 72] = [
    "bar.sync 0;",
    "bar.warp.sync -1;",
    "ret;",
    "exit;",
    "trap;",
    "{",
    "}",
    ".reg .b32 %q<64>;",
    ".reg .b64 %d<64>;",
    ".reg .pred %p<64>;",
    ".shared .align 16 .b8 s[4096];",
    ".local .align 16 .b8 l[256];",
    ".global .b32 g[64];",
    ".align 1024",
    "[4294967295]",
    "[16777216]",
    "@%p1",
    "@!%p1",
    "%tid.x",
    "%ctaid.x",
    "%laneid",
    "%warpid",
    "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];",
    "st.global.b32 [%rd1], %r1;",
    "ld.shared.b32 %r1, [%r2];",
    "st.shared.v2.b64 [%r1], {%rd1, %rd2};",
    "atom.global.add.u32 %r1, [%rd1], %r2;",
    "atom.shared.cas.b32",
    "cp.async.cg.shared.global [%r1], [%rd1], 16;",
    "cp.async.commit_group;",
    "cp.async.wait_group 0;",
    "shfl.sync.bfly.b32 %r1, %r2, 16, 31, -1;",
    "vote.sync.ballot.b32 %r1, %p1, -1;",
    "redux.sync.add.s32",
    "mbarrier.init.shared::cta.b64 [%r1], 1;",
    "mbarrier.inval.shared::cta.b64 [%r1];",
    "mbarrier.arrive.shared::cta.b64 %rd1, [%r1];",
    "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1], 64;",
    "mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;",
    "fence.proxy.async.shared::cta;",
    "wgmma.fence.sync.aligned;",
    "wgmma.commit_group.sync.aligned;",
    "wgmma.wait_group.sync.aligned 0;",
    "barrier.cluster.arrive.aligned;",
    "barrier.cluster.wait.aligned;",
    "mapa.shared::cluster.u32 %r1, %r2, %r3;",
    "elect.sync %r1|%p1, -1;",
    "bra L;",
    "bra.uni L;",
    "L:",
    "brx.idx %r1, T;",
    "T: .branchtargets L, L;",
    "call.uni (r), f, (a);",
    ".loc 1 2 3",
    ".v2",
    ".v4",
    ".v8",
    ".b8",
    ".b16",
    ".b32",
    ".b64",
    ".b128",
    ".u64",
    ".f16x2",
    ".bf16",
    ".e4m3x2",
    ".rn",
    ".satfinite",
    "-1",
    "0f7FC00000",
    "0d7FF0000000000000",
    "18446744073709551615",
];

/// Numbers at which something ends.
const NUMBERS: [i128; 28] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    127,
    128,
    255,
    256,
    1023,
    1024,
    65535,
    65536,
    1 << 20,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    u64::MAX as i128,
];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }

    fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len());
        items.get(index)
    }
}

/// A text cut into words, numbers and single characters; joined they are the text again.
fn pieces(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '%' | '$' => 1,
        '.' => 2,
        ' ' | '\t' => 3,
        _ => 0,
    };
    let mut found = Vec::new();
    let mut start = 0;
    let mut before = 0;
    for (at, c) in text.char_indices() {
        let now = kind(c);
        // A modifier is one piece with its dot.
        if at > start && (now != before || now == 0) && !(before == 2 && now == 1) {
            found.push(&text[start..at]);
            start = at;
        }
        before = now;
    }
    found.push(&text[start..]);
    found
}

/// One to four changes of a text; `None` if it is no text.
pub fn mutate(data: &[u8], seed: u32) -> Option<String> {
    let mut random = Random(u64::from(seed) << 20 | 0x9e37_79b9);
    let mut text = std::str::from_utf8(data).ok()?.to_owned();
    for _ in 0..=random.below(4) {
        text = if random.below(2) == 0 { mutate_lines(&text, &mut random) } else { mutate_pieces(&text, &mut random) };
    }
    Some(text)
}

fn mutate_lines(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = random.below(lines.len());
    match random.below(6) {
        0 if !lines.is_empty() => drop(lines.remove(at)),
        1 => {
            if let Some(line) = random.choose(&lines).copied() {
                lines.insert(at, line);
            }
        }
        2 => {
            let other = random.below(lines.len());
            if !lines.is_empty() {
                lines.swap(at, other);
            }
        }
        3 => {
            let from = random.below(lines.len());
            let some: Vec<&str> = lines.iter().skip(from).take(1 + random.below(8)).copied().collect();
            lines.splice(at..at, some);
        }
        4 => {
            let count = random.below(8).min(lines.len() - at.min(lines.len()));
            lines.drain(at..at + count);
        }
        _ => {
            if let Some(word) = random.choose(&WORDS) {
                lines.insert(at, word);
            }
        }
    }
    lines.join("\n")
}

fn mutate_pieces(text: &str, random: &mut Random) -> String {
    let mut pieces = pieces(text);
    let is_number = |piece: &&str| piece.starts_with(|c: char| c.is_ascii_digit());
    let is_register = |piece: &&str| piece.starts_with('%');
    let is_modifier = |piece: &&str| piece.starts_with('.');
    let places = |wanted: &dyn Fn(&&str) -> bool| -> Vec<usize> {
        pieces.iter().enumerate().filter(|(_, piece)| wanted(piece)).map(|(index, _)| index).collect()
    };
    let number = NUMBERS.get(random.below(NUMBERS.len())).copied().unwrap_or_default();
    let number = if random.below(4) == 0 { format!("-{number}") } else { number.to_string() };
    let kind = random.below(6);
    let found = match kind {
        0 => places(&is_number),
        1 => places(&is_register),
        2 | 3 => places(&is_modifier),
        _ => (0..pieces.len()).collect(),
    };
    let (Some(&at), Some(&other)) = (random.choose(&found), random.choose(&found)) else { return text.to_owned() };
    let word = random.choose(&WORDS).copied().unwrap_or_default();
    match kind {
        0 => pieces[at] = &number,
        1 | 2 => pieces[at] = pieces[other],
        3 => drop(pieces.remove(at)),
        4 => pieces[at] = word,
        _ => pieces.swap(at, other),
    }
    pieces.concat()
}
