/**
 * Words of strangers: names that people give themselves and their organizations. A mail carries them to addresses
 * that may be somebody else's, under the host's own name, so they are cut down to what a name needs: no link, no
 * address, no telephone number, nothing that cannot be seen or that turns the text around, 60 letters at the most.
 *
 * @see https://www.unicode.org/reports/tr29/ (what a letter is to people)
 * @see https://www.unicode.org/reports/tr36/ (what letters can hide)
 * @module
 */

import { z } from 'zod'

/** As people count them, not as code units. */
const MAX_LETTERS = 60
/** Some scripts put any number of signs into one letter. */
const MAX_SHOWN = 240
/** Looked at no further: what is shown is shorter by far. */
const MAX_LENGTH = 1_000
/** Marks that one letter carries in any script. */
const MANY_MARKS = /(\p{M}{4})\p{M}+/gu
/** A longer word is given places to break at. */
const MAX_WORD = 20

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
const lettersOf = (text: string): string[] =>
  [...segmenter.segment(text)].map(({ segment }) => segment)

/**
 * The words as a mail may show them. Null where nothing is left, and where they are a message and not a name:
 * with a link, an e-mail address or a telephone number.
 */
export function strangersWords(text: string): string | null {
  const plain = visible(text.slice(0, MAX_LENGTH))
  if (leadsSomewhere(plain)) return null
  return cut(withoutDomains(plain)) || null
}

/** A template's prop for words of a stranger. The template gets null where they are not to be shown. */
export const words = () => z.string().transform(strangersWords)

/** `Hello Ada,` for a name that may be shown, else `Hello,`. */
export const hello = (name: string | null | undefined): string =>
  name ? `Hello ${name},` : 'Hello,'

function cut(text: string): string {
  const letters = lettersOf(text)
  let shown = ''
  for (const [at, letter] of letters.entries()) {
    const isLast = at === letters.length - 1
    if ((at === MAX_LETTERS - 1 && !isLast) || shown.length + letter.length > MAX_SHOWN) {
      return `${shown.trimEnd()}…`
    }
    shown += letter
  }
  return shown
}

/** What can be seen, in one line: no direction marks, zero widths, control characters, halves of letters. */
function visible(text: string): string {
  return text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Zs}]+/gu, ' ')
    .replace(/[\p{Cs}\p{Cf}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]+/gu, '')
    .replace(MANY_MARKS, '$1')
    .replace(/ {2,}/g, ' ')
    .trim()
}

/** Mail programs and telephones make links of these by themselves. Full stops of other scripts count. */
const LEADS = [
  /[a-z][a-z0-9+.-]{0,20}:\s?\/\//i,
  /\b(?:mailto|tel|sms|skype|whatsapp|javascript|data):\S/i,
  /\bwww\d{0,3}[.。．｡․]/i,
  /@[\p{L}\p{N}-]+[.。．｡․]/u,
  /[\p{L}\p{N}][.。．｡․]\p{L}[\p{L}\p{N}-]+(?::\d{2,5})?[/?#]/u,
  /\b\d{1,3}(?:\.\d{1,3}){3}\b/,
  /\p{Nd}(?:[\s().+/-]{0,3}\p{Nd}){8}/u,
  /(?:\+|00)\s?\p{Nd}(?:[\s().+/-]{0,3}\p{Nd}){6}/u,
]

const leadsSomewhere = (text: string): boolean => {
  const folded = text.normalize('NFKC')
  return LEADS.some((sign) => sign.test(text) || sign.test(folded))
}

/** A name like a domain is shown without its dots: `monday.com` and `J.R.R. Tolkien` are names, and no links. */
const withoutDomains = (text: string): string =>
  text.replace(/(?<=[\p{L}\p{N}])[.。．｡․](?=\p{L})/gu, ' ')

/** The text in parts: between two of them, inside a long word, a line may break. */
export function breakable(text: string): string[] {
  const parts = ['']
  for (const [word] of text.matchAll(/\s+|\S+/g)) {
    for (const [at, letter] of lettersOf(word).entries()) {
      if (at > 0 && at % MAX_WORD === 0) parts.push('')
      parts[parts.length - 1] += letter
    }
  }
  return parts
}
