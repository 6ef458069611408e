//! Context-specific words (OWASP ASVS 5.0, 6.1.2), derived from this program and from the account: an attacker tries
//! them first. A password that consists of such words and nothing else is easy to guess.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_security::confusable_detection::skeleton;

use super::text_rules::fold_case;

/// The words of this program: its name, its roles, and what it is about.
const PROGRAM_WORDS: [&str; 10] = [
    "admin",
    "administrator",
    "api",
    "board",
    "employee",
    "manager",
    "task",
    "tasks",
    "user",
    "users",
];

/// A name with fewer letters is no word: it would be in too many passwords that have nothing to do with it.
const MIN_NAME_LETTERS: usize = 3;

/// Whether a password consists of the program's words and the account's `names` alone, each any number of times.
///
/// Spelling does not count: upper and lower case are equal, compatibility characters, accents and letters of other
/// scripts that look alike too, a digit or a sign may stand for a letter (`t4sk`), and other digits, signs and spaces
/// are ignored wherever they are.
pub fn consists_of_context_words(password: &str, names: &[&str]) -> bool {
    let names = names.iter().map(|name| letters(name));
    let names = names.filter(|name| name.len() >= MIN_NAME_LETTERS);
    let program_words = PROGRAM_WORDS.iter().map(|word| letters(word));
    let words: Vec<Vec<char>> = program_words.chain(names).collect();
    consists_of(&fold(password), &words)
}

/// Reads the text as words, in every way at once (simulation of a nondeterministic finite automaton). A state is the
/// rest of the word that is being read; it is empty where a word has ended.
fn consists_of(text: &str, words: &[Vec<char>]) -> bool {
    let words: Vec<&[char]> = words.iter().map(Vec::as_slice).collect();
    let mut states: BTreeSet<&[char]> = words.iter().copied().collect();
    for c in text.chars() {
        let next = states
            .iter()
            .flat_map(|state| states_after(c, state, &words));
        states = next.collect();
    }
    states.contains(&[][..])
}

/// The states after a character: it is the next letter of the word, or the first one of another word, or ignored.
fn states_after<'w>(c: char, state: &'w [char], words: &[&'w [char]]) -> Vec<&'w [char]> {
    let this = [state];
    let open = if state.is_empty() { words } else { &this };
    let read = open.iter().filter_map(|word| rest_after(c, word));
    let ignored = (!c.is_alphabetic()).then_some(state);
    read.chain(ignored).collect()
}

/// The rest of a word whose next letter is `c`, in some spelling.
fn rest_after(c: char, word: &[char]) -> Option<&[char]> {
    let (letter, rest) = word.split_first()?;
    can_stand_for(c, *letter).then_some(rest)
}

fn can_stand_for(c: char, letter: char) -> bool {
    c == letter
        || matches!(
            (c, letter),
            ('0', 'o')
                | ('1' | '!', 'i')
                | ('1', 'l')
                | ('3', 'e')
                | ('4' | '@', 'a')
                | ('5' | '$', 's')
                | ('7', 't')
        )
}

fn letters(text: &str) -> Vec<char> {
    fold(text).chars().filter(|c| c.is_alphabetic()).collect()
}

/// Lower case without accents, with the ASCII letters that other letters look like (UTS 39). ASCII itself stays as it
/// is: its own skeleton would make an `rn` of each `m`.
fn fold(text: &str) -> String {
    let letters = text.nfkd().filter(|c| !is_combining_mark(*c));
    let plain = letters.flat_map(|c| {
        let (ascii, other) = (
            c.is_ascii().then_some(c),
            (!c.is_ascii()).then(|| c.to_string()),
        );
        let looks_like: Vec<char> = other.iter().flat_map(|other| skeleton(other)).collect();
        ascii.into_iter().chain(looks_like)
    });
    fold_case(&plain.collect::<String>())
}
