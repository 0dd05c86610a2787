/**
 * Reads a browser's `User-Agent` into words for people, such as `Chrome 131 on macOS`. It uses a table of
 * common browsers, and only the first 512 characters, so that a long header costs no more.
 *
 * @module
 */

/** A browser or program. A value is null if its header does not tell. */
export interface Device {
  /** The browser with its main version: `Chrome 131`. */
  browser: string | null
  /** `macOS`, `Windows`, `iPhone`. Without a version, because browsers no longer send it. */
  system: string | null
  /** Both together, for a list: `Chrome 131 on macOS`. Null if neither is known. */
  device: string | null
}

/** How many characters of the header are read. */
const READ_LENGTH = 512

/** The order matters, because a browser's header also names browsers further down. */
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

/** The order matters, because an iPhone's header also says Mac OS X, and Android's says Linux. */
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

/**
 * The browser's name without a version, for the audit log: `Chrome`, or `other` if it is not in the table.
 */
export const familyOf = (userAgent: string): string =>
  browserIn(userAgent.slice(0, READ_LENGTH))[0] ?? 'other'

function browserIn(text: string): [name: string | null, version: string] {
  for (const [sign, name] of BROWSERS) {
    const found = sign.exec(text)
    if (found) return [name, found[1] ?? '']
  }
  return [null, '']
}
