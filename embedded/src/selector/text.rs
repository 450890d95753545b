//! The text form of label selectors, and what the server says of a text that is none.
//!
//! Source: the lexer and parser of `k8s.io/apimachinery/pkg/labels`.

use std::collections::BTreeSet;

use super::Requirement;
use crate::decoding::quote;
use crate::rules::naming;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    End,
    Comma,
    Open,
    Close,
    Not,
    Equals,
    NotEquals,
    Above,
    Below,
    In,
    NotIn,
    Word,
}

/// The requirements of a text, by key.
pub(super) fn read(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut found = Vec::new();
    loop {
        match parser.peek() {
            (Token::Word | Token::Not | Token::In | Token::NotIn, _) => {
                found.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
                match parser.next() {
                    (Token::End, _) => break,
                    (Token::Comma, _) => {
                        let (token, literal) = parser.peek();
                        if !matches!(token, Token::Word | Token::Not | Token::In | Token::NotIn) {
                            return Err(format!("found '{literal}', expected: identifier after ','"));
                        }
                    }
                    (_, literal) => return Err(format!("found '{literal}', expected: ',' or 'end of string'")),
                }
            }
            (Token::End, _) => break,
            (_, literal) => return Err(format!("found '{literal}', expected: !, identifier, or 'end of string'")),
        }
    }
    found.sort_by(|one: &Requirement, other| one.key().cmp(other.key()));
    Ok(found)
}

/// The words and signs of a text; the last is its end.
fn tokens(text: &str) -> Vec<(Token, String)> {
    const SIGNS: [(&str, Token); 9] = [
        ("!=", Token::NotEquals),
        ("==", Token::Equals),
        ("!", Token::Not),
        ("=", Token::Equals),
        (",", Token::Comma),
        ("(", Token::Open),
        (")", Token::Close),
        (">", Token::Above),
        ("<", Token::Below),
    ];
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if let Some((sign, token)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            found.push((*token, (*sign).to_owned()));
            rest = rest.get(sign.len()..).unwrap_or_default();
            continue;
        }
        let end = rest.find([' ', '\t', '\r', '\n', '=', '!', '(', ')', ',', '>', '<']).unwrap_or(rest.len());
        let (word, left) = rest.split_at(end);
        let token = match word {
            "" => Token::End,
            "in" => Token::In,
            "notin" => Token::NotIn,
            _ => Token::Word,
        };
        found.push((token, word.to_owned()));
        if token == Token::End {
            return found;
        }
        rest = left;
    }
}

struct Parser {
    tokens: Vec<(Token, String)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> (Token, String) {
        self.tokens.get(self.at).cloned().unwrap_or((Token::End, String::new()))
    }

    fn next(&mut self) -> (Token, String) {
        let token = self.peek();
        self.at += 1;
        token
    }

    /// The next token where a key or a value is expected: the words of operators are words there.
    fn peek_word(&self) -> (Token, String) {
        let (token, literal) = self.peek();
        let token = if matches!(token, Token::In | Token::NotIn) { Token::Word } else { token };
        (token, literal)
    }

    fn next_word(&mut self) -> (Token, String) {
        let token = self.peek_word();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.next_word();
        let negative = token == Token::Not;
        if negative {
            (token, key) = self.next_word();
        }
        if token != Token::Word {
            return Err(format!("found '{key}', expected: identifier"));
        }
        let faults = naming::qualified_name(&key);
        if !faults.is_empty() {
            return Err(format!("<nil>: Invalid value: {}: {}", quote(&key), faults.join("; ")));
        }
        let ends = matches!(self.peek_word().0, Token::End | Token::Comma);
        if negative {
            return Ok(Requirement::Absent(key));
        }
        if ends {
            return Ok(Requirement::Exists(key));
        }
        let (operator, literal) = self.next();
        let values: BTreeSet<String> = match operator {
            Token::In | Token::NotIn => self.set()?,
            Token::Equals | Token::NotEquals | Token::Above | Token::Below => BTreeSet::from([self.value()?]),
            _ => return Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values: Vec<String> = values.into_iter().collect();
        let mut faults = Vec::new();
        let first = values.first().map(String::as_str).unwrap_or_default();
        let bound = first.parse::<i64>();
        if matches!(operator, Token::Above | Token::Below) && bound.is_err() {
            let why = "for 'Gt', 'Lt' operators, the value must be an integer";
            faults.push(format!("values[0]: Invalid value: {}: {why}", quote(first)));
        }
        for (at, value) in values.iter().enumerate() {
            let wrong = naming::label_value(value);
            if !wrong.is_empty() {
                faults.push(format!("values[{at}][{key}]: Invalid value: {}: {}", quote(value), wrong.join("; ")));
            }
        }
        if !faults.is_empty() {
            return Err(crate::failure::together(&faults));
        }
        Ok(match operator {
            Token::NotIn | Token::NotEquals => Requirement::NotIn(key, values),
            Token::Above => Requirement::Above(key, bound.unwrap_or_default()),
            Token::Below => Requirement::Below(key, bound.unwrap_or_default()),
            _ => Requirement::In(key, values),
        })
    }

    /// `(a,b)`; an empty place is the empty text.
    fn set(&mut self) -> Result<BTreeSet<String>, String> {
        let (token, literal) = self.next_word();
        if token != Token::Open {
            return Err(format!("found '{literal}' expected: '('"));
        }
        let mut found = BTreeSet::new();
        match self.peek_word() {
            (Token::Close, _) => {
                self.at += 1;
                return Ok(BTreeSet::from([String::new()]));
            }
            (Token::Word | Token::Comma, _) => {}
            (_, literal) => return Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
        loop {
            match self.next_word() {
                (Token::Word, value) => {
                    found.insert(value);
                    match self.peek_word() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => break,
                        (_, literal) => return Err(format!("found '{literal}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    if found.is_empty() || matches!(self.peek_word().0, Token::Close | Token::Comma) {
                        found.insert(String::new());
                    }
                    if self.peek_word().0 == Token::Close {
                        break;
                    }
                }
                (_, literal) => return Err(format!("found '{literal}', expected: ',', or identifier")),
            }
        }
        self.at += 1;
        Ok(found)
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek_word().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next_word() {
            (Token::Word, value) => Ok(value),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }
}
