//! The frames of a ZMTP 3 connection, looked at as the bytes pass: greeting, headers and lengths, but no contents.
//!
//! Source: ZeroMQ RFC 23/ZMTP 3.0 and 37/ZMTP 3.1, section "Formal Grammar".

use super::budget::Budget;

/// Bytes of the greeting.
const GREETING: usize = 64;
/// The mechanism without security, the only one of a Jupyter connection, as it stands in the greeting.
const MECHANISM: (usize, &[u8; 20]) = (12, b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
/// Most bytes of a command: READY with its properties, a subscription, a ping.
const COMMAND: u64 = 4096;
/// Most frames of a message. A Jupyter message has six and its binary buffers.
const FRAMES: u32 = 1024;
/// A message of up to so many bytes takes nothing from the budget: every connection may have one.
const SMALL: u64 = 64 << 10;

/// What a client may send on a channel.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of a message: of all its frames together.
    pub message: u64,
    /// Most messages of one connection.
    pub messages: u64,
}

impl Limits {
    /// For requests: as large as the largest cell.
    pub const REQUESTS: Self = Self { message: 512 << 20, messages: u64::MAX };
    /// For iopub: clients send subscriptions alone, each of which is remembered.
    pub const SUBSCRIPTIONS: Self = Self { message: 1024, messages: 1000 };
    /// For the heartbeat, which is echoed.
    pub const ECHO: Self = Self { message: 64 << 10, messages: u64::MAX };
}

/// Why a connection is closed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The first bytes are another protocol's.
    #[error("it does not speak ZMTP 3")]
    Greeting,
    /// It wants encryption or a password, which Jupyter's connections do not have.
    #[error("it wants a security mechanism other than NULL")]
    Mechanism,
    /// A header has bits that have no meaning, or a message comes before the handshake's end.
    #[error("it breaks the protocol ZMTP 3")]
    Protocol,
    /// A frame or a message is larger than any of its kind.
    #[error("it announces {0} bytes, which is more than a message may have")]
    TooLarge(u64),
    /// A message has more parts than any.
    #[error("it sends a message of more than {FRAMES} frames")]
    TooMany,
    /// A client has sent more messages than there can be.
    #[error("it sends more messages than the channel takes")]
    TooOften,
    /// Large messages that are on their way take all that there is.
    #[error("there is no memory for a message of {0} bytes")]
    NoMemory(u64),
}

#[derive(Clone, Copy)]
enum State {
    /// So many bytes of the greeting have passed.
    Greeting(usize),
    Flags,
    /// Bytes of the length that are still to come, and its value so far.
    Length {
        command: bool,
        more: bool,
        left: u8,
        value: u64,
    },
    Body {
        more: bool,
        command: bool,
        left: u64,
    },
}

/// The state of one direction of a connection.
pub struct Frames {
    state: State,
    limits: Limits,
    /// The handshake's command has passed.
    is_ready: bool,
    /// Bytes and frames of the message that is passing.
    bytes: u64,
    frames: u32,
    messages: u64,
    budget: Budget,
    taken: u64,
}

impl Frames {
    /// A connection that has sent nothing yet.
    pub fn new(limits: Limits, budget: Budget) -> Self {
        let state = State::Greeting(0);
        Self { state, limits, is_ready: false, bytes: 0, frames: 0, messages: 0, budget, taken: 0 }
    }

    /// True once the client has sent its side of the handshake.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// True while a message is on its way.
    pub fn is_inside(&self) -> bool {
        self.frames > 0 || !matches!(self.state, State::Flags)
    }

    /// Looks at the next bytes; what is refused has to be kept from the socket.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        while let Some((&first, rest)) = bytes.split_first() {
            match self.state {
                State::Greeting(seen) => {
                    greet(seen, first)?;
                    self.state = if seen + 1 == GREETING { State::Flags } else { State::Greeting(seen + 1) };
                    bytes = rest;
                }
                State::Flags => {
                    let (more, long, command) = (first & 1 != 0, first & 2 != 0, first & 4 != 0);
                    // A command is one frame; the other bits are reserved.
                    if first & !7 != 0 || command && more || !command && !self.is_ready {
                        return Err(Refused::Protocol);
                    }
                    self.state = State::Length { command, more, left: if long { 8 } else { 1 }, value: 0 };
                    bytes = rest;
                }
                State::Length { command, more, left, value } => {
                    let value = value << 8 | u64::from(first);
                    self.state = if left > 1 {
                        State::Length { command, more, left: left - 1, value }
                    } else {
                        self.announce(command, value)?;
                        State::Body { more, command, left: value }
                    };
                    bytes = rest;
                    self.finish_if_empty();
                }
                State::Body { more, command, left } => {
                    let passed = left.min(bytes.len() as u64);
                    self.state = State::Body { more, command, left: left - passed };
                    bytes = &bytes[passed as usize..];
                    self.finish_if_empty();
                }
            }
        }
        Ok(())
    }

    /// A frame of this length is about to come.
    fn announce(&mut self, command: bool, length: u64) -> Result<(), Refused> {
        if command {
            return if length > COMMAND { Err(Refused::TooLarge(length)) } else { Ok(()) };
        }
        self.frames += 1;
        self.bytes = self.bytes.saturating_add(length);
        if self.bytes > self.limits.message {
            return Err(Refused::TooLarge(self.bytes));
        }
        if self.frames > FRAMES {
            return Err(Refused::TooMany);
        }
        if self.bytes > SMALL {
            let missing = self.bytes - self.taken;
            if !self.budget.take(missing) {
                return Err(Refused::NoMemory(self.bytes));
            }
            self.taken = self.bytes;
        }
        if self.messages >= self.limits.messages {
            return Err(Refused::TooOften);
        }
        Ok(())
    }

    /// Ends a frame whose last byte has passed, and the message with its last frame.
    fn finish_if_empty(&mut self) {
        let State::Body { more, command, left: 0 } = self.state else { return };
        self.state = State::Flags;
        if command {
            self.is_ready = true;
        } else if !more {
            self.messages += 1;
            self.forget_message();
        }
    }

    fn forget_message(&mut self) {
        (self.bytes, self.frames) = (0, 0);
        self.budget.give_back(std::mem::take(&mut self.taken));
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.forget_message();
    }
}

/// Looks at one byte of the greeting.
fn greet(at: usize, byte: u8) -> Result<(), Refused> {
    let (start, mechanism) = MECHANISM;
    match at {
        0 if byte != 0xff => Err(Refused::Greeting),
        9 if byte != 0x7f => Err(Refused::Greeting),
        // Older versions have other frames.
        10 if byte < 3 => Err(Refused::Greeting),
        at if at.checked_sub(start).and_then(|at| mechanism.get(at)).is_some_and(|&wanted| wanted != byte) => {
            Err(Refused::Mechanism)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Vec<u8> {
        let mut bytes = vec![0u8; GREETING];
        (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
        bytes[12..16].copy_from_slice(b"NULL");
        bytes
    }

    fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
        match u8::try_from(body.len()) {
            Ok(length) => [&[flags, length], body].concat(),
            Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes(), body].concat(),
        }
    }

    fn ready() -> Vec<u8> {
        [greeting(), frame(4, b"\x05READY")].concat()
    }

    fn with(limits: Limits) -> Frames {
        Frames::new(limits, Budget::new())
    }

    #[test]
    fn what_clients_send_passes_in_any_parts() {
        let large = vec![1; 100_000];
        let message = [frame(1, b"id"), frame(1, &large), frame(0, b"")].concat();
        let all = [ready(), message.clone(), message].concat();
        for part in [1, 2, 3, 63, 64, 65, 1000, all.len()] {
            let mut frames = with(Limits::REQUESTS);
            let budget = frames.budget.left();
            for bytes in all.chunks(part) {
                frames.pass(bytes).unwrap_or_else(|why| panic!("in parts of {part}: {why}"));
            }
            assert!(frames.is_ready() && !frames.is_inside());
            assert_eq!((frames.messages, frames.budget.left()), (2, budget));
        }
    }

    #[test]
    fn what_no_client_sends_is_refused_at_its_first_byte() {
        let long = |flags: u8, length: u64| [&[flags | 2][..], &length.to_be_bytes()].concat();
        let mut encrypted = greeting();
        encrypted[12..17].copy_from_slice(b"CURVE");
        let mut old = greeting();
        old[10] = 1;
        let more: Vec<u8> = (0..=FRAMES).flat_map(|_| frame(1, b"x")).collect();
        let gibibyte = 1 << 30;
        for (bytes, why) in [
            (b"GET / HTTP/1.1\r\n".to_vec(), Refused::Greeting),
            (old, Refused::Greeting),
            (encrypted, Refused::Mechanism),
            ([greeting(), frame(0, b"a message")].concat(), Refused::Protocol),
            ([ready(), vec![0x80]].concat(), Refused::Protocol),
            ([ready(), vec![5]].concat(), Refused::Protocol),
            ([ready(), long(0, 1 << 40)].concat(), Refused::TooLarge(1 << 40)),
            ([ready(), long(0, u64::MAX)].concat(), Refused::TooLarge(u64::MAX)),
            ([ready(), long(4, 1 << 40)].concat(), Refused::TooLarge(1 << 40)),
            ([ready(), frame(1, b"x"), long(0, u64::MAX)].concat(), Refused::TooLarge(u64::MAX)),
            ([ready(), long(1, gibibyte)].concat(), Refused::TooLarge(gibibyte)),
            ([ready(), more].concat(), Refused::TooMany),
        ] {
            let mut frames = with(Limits::REQUESTS);
            let (last, before) = bytes.split_last().expect("bytes");
            let refused = bytes.iter().position(|byte| frames.pass(&[*byte]).is_err());
            let mut frames = with(Limits::REQUESTS);
            assert_eq!(frames.pass(&bytes), Err(why), "{last} after {}", before.len());
            assert!(refused.is_some());
        }
        let mut frames = with(Limits::SUBSCRIPTIONS);
        frames.pass(&ready()).expect("the handshake");
        for _ in 0..Limits::SUBSCRIPTIONS.messages {
            frames.pass(&frame(0, b"\x01topic")).expect("a subscription");
        }
        assert_eq!(frames.pass(&frame(0, b"\x01topic")), Err(Refused::TooOften));
    }

    #[test]
    fn unfinished_large_messages_share_a_budget() {
        let budget = Budget::new();
        let all = budget.left();
        let announced = |bytes: u64| [&ready()[..], &[2], &bytes.to_be_bytes()].concat();
        let half = all / 2 + 1;
        let limits = Limits { message: u64::MAX, messages: u64::MAX };
        let mut first = Frames::new(limits, budget.clone());
        first.pass(&announced(half)).expect("half of it");
        let mut second = Frames::new(limits, budget.clone());
        assert_eq!(second.pass(&announced(half)), Err(Refused::NoMemory(half)));
        // Small messages always pass, and a closed connection gives back what it took.
        Frames::new(limits, budget.clone()).pass(&announced(SMALL)).expect("a small one");
        drop(first);
        assert_eq!(budget.left(), all);
    }
}
