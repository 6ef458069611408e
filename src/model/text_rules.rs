//! Rules for text: Unicode normalisation, case folding, and characters that are refused or invisible.

use std::borrow::Cow;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Normalises text to NFC (Unicode Standard Annex 15), so that equal text is equal bytes: an `é` is one code
/// point from one keyboard and two from another. Text that a quick check finds to be in NFC is not copied.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Normalises text to NFC. Refuses text that has more than `max` characters (code points) in that form.
pub fn nfc_of_at_most(text: &str, max: usize) -> Result<String, String> {
    // A character in NFC replaces four at most, so longer text is refused before the work of normalising it.
    if text.chars().nth(4 * max).is_some() {
        return Err(too_long(max));
    }
    let text = nfc(text).into_owned();
    check_length(&text, max)?;
    Ok(text)
}

/// Case folding for searches and comparisons: two texts that differ only in upper and lower case, or in Unicode
/// normalisation, become equal. The result is in NFC.
///
/// Each letter is lowercased by itself, so that a part of a word folds as it does within the word:
/// `str::to_lowercase` writes a sigma at the end of a word as another letter.
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let text = nfc(text);
    let lower = text.chars().flat_map(char::to_lowercase);
    let lower: String = lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect();
    // Lower case may compose where upper case does not: `ǰ` is one code point, its capital is two.
    match nfc(&lower) {
        Cow::Borrowed(_) => lower,
        Cow::Owned(normalised) => normalised,
    }
}

/// Parses one line of text and removes the white space around it. Refuses text without a visible character, with
/// a `forbidden` character, or with more than `max` characters (code points).
pub fn parse_line(text: &str, max: usize, forbidden: fn(char) -> bool) -> Result<String, String> {
    let text = text.trim();
    if text.chars().all(is_invisible) {
        return Err("must not be empty".to_owned());
    }
    check_characters(text, forbidden)?;
    check_length(text, max)?;
    Ok(text.to_owned())
}

/// As [`parse_line`], for a line of prose: the result is in NFC, a tab becomes a space, and directional marks are
/// allowed.
pub fn parse_nfc_line(text: &str, max: usize) -> Result<String, String> {
    let line = text.trim().replace('\t', " ");
    let line = nfc_of_at_most(&line, max)?;
    parse_line(&line, max, is_unsafe_in_line)
}

fn check_length(text: &str, max: usize) -> Result<(), String> {
    if text.chars().nth(max).is_some() {
        return Err(too_long(max));
    }
    Ok(())
}

fn too_long(max: usize) -> String {
    format!("must be at most {max} characters")
}

pub fn check_characters(text: &str, forbidden: fn(char) -> bool) -> Result<(), String> {
    if text.contains(forbidden) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

/// Characters that names, e-mail addresses and lines of the log must not contain: control characters and
/// line separators, which could forge another line, and format characters that are invisible or change the
/// direction of writing.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Characters that titles and search texts must not contain: those of [`is_control`] except the directional
/// marks, which authors of Arabic or Hebrew type in ordinary text. [`is_control`] does not include U+061C and
/// the joiners U+200C and U+200D, so they are allowed everywhere.
pub fn is_unsafe_in_line(c: char) -> bool {
    let is_directional =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    is_control(c) && !is_directional
}

/// Whether a character is a letter, a combining mark or a number of any script, except those that are invisible.
pub fn is_letter_mark_or_number(c: char) -> bool {
    const GROUP: GeneralCategoryGroup = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Number);
    c.is_ascii_alphanumeric()
        || (!c.is_ascii() && GROUP.contains(general_category(c)) && !is_invisible(c))
}

/// Whether a character may be part of a name: visible, or a space. Characters of the category Other are neither:
/// control and format characters, directional marks, private-use and unassigned code points.
pub fn is_visible_or_space(c: char) -> bool {
    const REFUSED: GeneralCategoryGroup = GeneralCategoryGroup::Other
        .union(GeneralCategoryGroup::LineSeparator)
        .union(GeneralCategoryGroup::ParagraphSeparator);
    let is_space = general_category(c) == GeneralCategory::SpaceSeparator;
    !REFUSED.contains(general_category(c)) && (is_space || !is_invisible(c))
}

fn general_category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// Characters that show nothing although Unicode does not call them default ignorable: the braille pattern without dots,
/// the Brahmi number joiner, two blanks of the Egyptian hieroglyphs, the Khitan filler, and the note without a head.
const BLANK: [char; 6] = [
    '\u{2800}',
    '\u{1107f}',
    '\u{13441}',
    '\u{13442}',
    '\u{16fe4}',
    '\u{1d159}',
];

/// Whether a character shows nothing: white space, what Unicode calls default ignorable (joiners, variation
/// selectors, the Hangul fillers), and [`BLANK`].
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || BLANK.contains(&c)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}
