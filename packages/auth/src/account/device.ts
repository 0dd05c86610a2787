/**
 * A browser's header in words that people read: `Chrome 131 on macOS`. A table of what people use, looked up in
 * the first 512 characters, so that a header of any length costs the same.
 *
 * @module
 */

/** What is known of a browser or a program; null for what its header does not say. */
export interface Device {
  /** With its main version: `Chrome 131`. */
  browser: string | null
  /** `macOS`, `Windows`, `iPhone`. No version: browsers have stopped telling it. */
  system: string | null
  /** Both together, for a list: `Chrome 131 on macOS`. Null where neither is known. */
  device: string | null
}

const READ_LENGTH = 512

/** In this order: a browser also names those that follow. */
const BROWSERS: readonly [sign: RegExp, name: string][] = [
  [/\bEdg(?:A|iOS)?\/(\d{1,4})/, 'Edge'],
  [/\bOPR\/(\d{1,4})/, 'Opera'],
  [/\bSamsungBrowser\/(\d{1,4})/, 'Samsung Internet'],
  [/\bVivaldi\/(\d{1,4})/, 'Vivaldi'],
  [/\b(?:Firefox|FxiOS)\/(\d{1,4})/, 'Firefox'],
  [/\b(?:Headless)?(?:Chrome|CriOS)\/(\d{1,4})/, 'Chrome'],
  [/\bVersion\/(\d{1,4})[\d.]{0,20} (?:Mobile\/\w{1,20} )?Safari\//, 'Safari'],
  [/\bSafari\/()/, 'Safari'],
  [/^curl\/(\d{1,4})/, 'curl'],
]

/** In this order: an iPhone also says Mac OS X, and Android says Linux. */
const SYSTEMS: readonly [sign: RegExp, name: string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

/** Reads the header `User-Agent`. */
export function deviceOf(userAgent: string | null): Device {
  const text = (userAgent ?? '').slice(0, READ_LENGTH)
  const [name, version] = browserIn(text)
  const browser = name && (version ? `${name} ${version}` : name)
  const system = SYSTEMS.find(([sign]) => sign.test(text))?.[1] ?? null
  return {
    browser,
    system,
    device: browser && system ? `${browser} on ${system}` : (browser ?? system),
  }
}

/** The browser's name alone, `Chrome`, for the audit log; `other` for one that is not in the table. */
export const familyOf = (userAgent: string): string =>
  browserIn(userAgent.slice(0, READ_LENGTH))[0] ?? 'other'

function browserIn(text: string): [name: string | null, version: string] {
  for (const [sign, name] of BROWSERS) {
    const found = sign.exec(text)
    if (found) return [name, found[1] ?? '']
  }
  return [null, '']
}
