//! Reads ECMA-262 pattern syntax and writes it for regex-lite; nothing is passed through unread.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use super::charset::CharSet;
use super::pattern::PatternError;
use super::sequence::{Draft, Piece};

/// How deep groups may nest.
pub(super) const MAX_GROUPS: u32 = 64;

/// A pattern in the engine's syntax.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) regex: String,
    /// States once all repetitions are unrolled.
    pub(super) states: u64,
    /// The pattern as a plain sequence, if it is `^` and atoms without groups and choices.
    pub(super) sequence: Option<Draft>,
}

pub(super) fn translate(source: &str) -> Result<Translation, PatternError> {
    let mut reader = Reader {
        rest: source.chars().peekable(),
        regex: String::with_capacity(source.len() * 4),
        open: Vec::new(),
        states: 0,
        last: Last::Nothing,
        sequence: Some(Draft { pieces: Vec::new(), to_end: false }),
    };
    if source.starts_with('^') {
        reader.rest.next();
        reader.regex.push('^');
    } else {
        reader.sequence = None;
    }
    while let Some(character) = reader.rest.next() {
        reader.term(character)?;
    }
    if !reader.open.is_empty() {
        return Err(PatternError::Syntax);
    }
    let Reader { regex, states, sequence, .. } = reader;
    Ok(Translation { regex, states: states.saturating_add(1), sequence })
}

/// What a quantifier would apply to.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Atom { states: u64 },
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    regex: String,
    /// The states before each open group.
    open: Vec<u64>,
    states: u64,
    last: Last,
    sequence: Option<Draft>,
}

impl Reader<'_> {
    fn term(&mut self, character: char) -> Result<(), PatternError> {
        match character {
            '^' => self.assertion("^"),
            '$' => {
                if self.rest.peek().is_none()
                    && self.open.is_empty()
                    && let Some(draft) = &mut self.sequence
                {
                    draft.to_end = true;
                    self.regex.push('$');
                } else {
                    self.assertion("$");
                }
            }
            '|' => self.assertion("|"),
            '(' => self.open_group()?,
            ')' => self.close_group()?,
            '*' => self.quantify(0, None)?,
            '+' => self.quantify(1, None)?,
            '?' => self.quantify(0, Some(1))?,
            '{' => match self.bounds() {
                Some((min, max)) => self.quantify(min, max)?,
                None => self.atom(CharSet::single(u32::from('{'))),
            },
            '.' => self.atom(CharSet::dot()),
            '[' => {
                let set = self.class()?;
                self.atom(set);
            }
            '\\' => match self.rest.next().ok_or(PatternError::Syntax)? {
                'b' => self.assertion("\\b"),
                'B' => self.assertion("\\B"),
                escaped => {
                    let set = self.escape(escaped)?;
                    self.atom(set);
                }
            },
            literal => self.atom(CharSet::single(u32::from(literal))),
        }
        Ok(())
    }

    /// What takes no character and cannot be repeated; choices are written in the same way.
    fn assertion(&mut self, text: &str) {
        self.regex.push_str(text);
        self.states = self.states.saturating_add(1);
        self.last = Last::Nothing;
        self.sequence = None;
    }

    fn atom(&mut self, set: CharSet) {
        self.write_set(&set);
        self.states = self.states.saturating_add(1);
        self.last = Last::Atom { states: 1 };
        if let Some(draft) = &mut self.sequence {
            draft.pieces.push(Piece::new(set));
        }
    }

    fn write_set(&mut self, set: &CharSet) {
        let mut ranges = set.scalar_ranges().peekable();
        if ranges.peek().is_none() {
            // Nowhere is and is not a boundary of a word.
            self.regex.push_str("(?:\\b\\B)");
            return;
        }
        self.regex.push('[');
        for (first, last) in ranges {
            // Writing into a String cannot fail.
            let _ = write!(self.regex, "\\x{{{first:x}}}-\\x{{{last:x}}}");
        }
        self.regex.push(']');
    }

    fn open_group(&mut self) -> Result<(), PatternError> {
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':') => {}
                Some('=' | '!') => return Err(PatternError::LookAround),
                Some('<') => self.group_name()?,
                _ => return Err(PatternError::Syntax),
            }
        }
        self.open.push(self.states);
        if self.open.len() >= usize::try_from(MAX_GROUPS).unwrap_or(usize::MAX) {
            return Err(PatternError::TooLarge);
        }
        self.states = 1;
        self.regex.push_str("(?:");
        self.last = Last::Nothing;
        self.sequence = None;
        Ok(())
    }

    fn group_name(&mut self) -> Result<(), PatternError> {
        match self.rest.next() {
            Some('=' | '!') => return Err(PatternError::LookAround),
            Some(first) if first.is_alphabetic() || "_$".contains(first) => {}
            _ => return Err(PatternError::Syntax),
        }
        loop {
            match self.rest.next() {
                Some('>') => return Ok(()),
                Some(next) if next.is_alphanumeric() || "_$".contains(next) => {}
                _ => return Err(PatternError::Syntax),
            }
        }
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        let before = self.open.pop().ok_or(PatternError::Syntax)?;
        self.regex.push(')');
        self.last = Last::Atom { states: self.states };
        self.states = self.states.saturating_add(before);
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}` after its brace; anything else leaves the brace a literal.
    fn bounds(&mut self) -> Option<(u32, Option<u32>)> {
        let mut ahead = self.rest.clone();
        let min = number(&mut ahead)?;
        let max = match ahead.next()? {
            '}' => Some(min),
            ',' => {
                let max = number(&mut ahead);
                if ahead.next()? != '}' {
                    return None;
                }
                max
            }
            _ => return None,
        };
        self.rest = ahead;
        Some((min, max))
    }

    fn quantify(&mut self, min: u32, max: Option<u32>) -> Result<(), PatternError> {
        let Last::Atom { states } = self.last else { return Err(PatternError::Syntax) };
        if max.is_some_and(|max| max < min) {
            return Err(PatternError::Syntax);
        }
        self.last = Last::Nothing;
        // Laziness changes what a group holds, not whether there is a match.
        self.rest.next_if_eq(&'?');
        let copies = max.unwrap_or(min.saturating_add(1)).max(1);
        let unrolled = states.saturating_mul(u64::from(copies));
        self.states = self.states.saturating_sub(states).saturating_add(unrolled);
        if let Some(piece) = self.sequence.as_mut().and_then(|draft| draft.pieces.last_mut()) {
            piece.repeat(min, max.unwrap_or(u32::MAX));
        }
        let _ = match (min, max) {
            (0, None) => write!(self.regex, "*"),
            (1, None) => write!(self.regex, "+"),
            (0, Some(1)) => write!(self.regex, "?"),
            (min, None) => write!(self.regex, "{{{min},}}"),
            (min, Some(max)) => write!(self.regex, "{{{min},{max}}}"),
        };
        Ok(())
    }

    fn class(&mut self) -> Result<CharSet, PatternError> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut set = CharSet::default();
        loop {
            let first = match self.rest.next().ok_or(PatternError::Syntax)? {
                ']' => break,
                character => self.class_atom(character)?,
            };
            let mut ahead = self.rest.clone();
            let ranged = ahead.next() == Some('-') && ahead.peek().is_some_and(|end| *end != ']');
            match first {
                ClassAtom::Character(first) if ranged => {
                    self.rest.next();
                    let end = self.rest.next().ok_or(PatternError::Syntax)?;
                    let ClassAtom::Character(last) = self.class_atom(end)? else {
                        return Err(PatternError::Syntax);
                    };
                    if last < first {
                        return Err(PatternError::Syntax);
                    }
                    set.add(first, last);
                }
                ClassAtom::Set(_) if ranged => return Err(PatternError::Syntax),
                ClassAtom::Character(character) => set.add(character, character),
                ClassAtom::Set(other) => set.extend(&other),
            }
        }
        let set = set.normalize();
        Ok(if negated { set.complement() } else { set })
    }

    fn class_atom(&mut self, character: char) -> Result<ClassAtom, PatternError> {
        if character != '\\' {
            return Ok(ClassAtom::Character(u32::from(character)));
        }
        match self.rest.next().ok_or(PatternError::Syntax)? {
            'b' => Ok(ClassAtom::Character(0x08)),
            '-' => Ok(ClassAtom::Character(u32::from('-'))),
            escaped => match shorthand(escaped) {
                Some(set) => Ok(ClassAtom::Set(set)),
                None => Ok(ClassAtom::Character(self.character_escape(escaped)?)),
            },
        }
    }

    fn escape(&mut self, escaped: char) -> Result<CharSet, PatternError> {
        match shorthand(escaped) {
            Some(set) => Ok(set),
            None => Ok(CharSet::single(self.character_escape(escaped)?)),
        }
    }

    /// An escape that names one character, after its backslash.
    fn character_escape(&mut self, escaped: char) -> Result<u32, PatternError> {
        match escaped {
            't' => Ok(0x09),
            'n' => Ok(0x0a),
            'v' => Ok(0x0b),
            'f' => Ok(0x0c),
            'r' => Ok(0x0d),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => Ok(0),
            'c' => match self.rest.next() {
                Some(letter) if letter.is_ascii_alphabetic() => Ok(u32::from(letter) % 32),
                _ => Err(PatternError::Syntax),
            },
            'x' => hexadecimal(&mut self.rest, 2).ok_or(PatternError::Syntax),
            'u' => self.unicode_escape(),
            '1'..='9' | 'k' => Err(PatternError::BackReference),
            'p' | 'P' => Err(PatternError::UnicodeProperty),
            other if other.is_alphanumeric() => Err(PatternError::Syntax),
            other => Ok(u32::from(other)),
        }
    }

    fn unicode_escape(&mut self) -> Result<u32, PatternError> {
        if self.rest.next_if_eq(&'{').is_some() {
            return self.braced_code_point();
        }
        let unit = hexadecimal(&mut self.rest, 4).ok_or(PatternError::Syntax)?;
        match unit {
            0xd800..=0xdbff => {
                let mut ahead = self.rest.clone();
                let escape = (ahead.next(), ahead.next());
                let low = (escape == (Some('\\'), Some('u')))
                    .then(|| hexadecimal(&mut ahead, 4))
                    .flatten()
                    .filter(|low| (0xdc00..=0xdfff).contains(low))
                    .ok_or(PatternError::LoneSurrogate)?;
                self.rest = ahead;
                Ok(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            }
            0xdc00..=0xdfff => Err(PatternError::LoneSurrogate),
            unit => Ok(unit),
        }
    }

    fn braced_code_point(&mut self) -> Result<u32, PatternError> {
        let mut value = 0u32;
        let mut digits = 0;
        loop {
            let next = self.rest.next().ok_or(PatternError::Syntax)?;
            if next == '}' && digits > 0 {
                break;
            }
            let digit = next.to_digit(16).ok_or(PatternError::Syntax)?;
            value = value.checked_mul(16).ok_or(PatternError::Syntax)? + digit;
            digits += 1;
        }
        match value {
            0xd800..=0xdfff => Err(PatternError::LoneSurrogate),
            value => char::from_u32(value).map(u32::from).ok_or(PatternError::Syntax),
        }
    }
}

enum ClassAtom {
    Character(u32),
    Set(CharSet),
}

fn shorthand(escaped: char) -> Option<CharSet> {
    Some(match escaped {
        'd' => CharSet::digits(),
        'D' => CharSet::digits().complement(),
        'w' => CharSet::word(),
        'W' => CharSet::word().complement(),
        's' => CharSet::space(),
        'S' => CharSet::space().complement(),
        _ => return None,
    })
}

fn hexadecimal(rest: &mut Peekable<Chars<'_>>, digits: usize) -> Option<u32> {
    let mut value = 0;
    for _ in 0..digits {
        value = value * 16 + rest.next()?.to_digit(16)?;
    }
    Some(value)
}

/// A decimal number; one too large for the type is as good as its largest value.
fn number(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut value = rest.next_if(char::is_ascii_digit)?.to_digit(10)?;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        value = value.saturating_mul(10).saturating_add(digit.to_digit(10)?);
    }
    Some(value)
}
