/**
 * A real Chromium for the browser run: the one at `CHROMIUM_PATH`, the one in the registry package (Linux on x64), or
 * an installed Chrome.
 */

import { existsSync, mkdirSync } from 'node:fs'
import { arch, platform, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

// The package's own arguments make all contexts share one process, which crashes. These arguments are enough.
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A running Chromium; null if this machine has none. */
export async function launchChromium(): Promise<Browser | null> {
  const given = process.env.CHROMIUM_PATH
  if (given) return launch(given)
  if (platform() === 'linux' && arch() === 'x64') return launchPackaged()
  const installed = INSTALLED.find((path) => existsSync(path))
  return installed ? launch(installed) : null
}

async function launchPackaged(): Promise<Browser> {
  const { default: packaged } = await import('@sparticuz/chromium')
  const folder = join(tmpdir(), `tollgate-chromium-${userInfo().username}`)
  mkdirSync(folder, { recursive: true })
  const unpack = () => within(folder, () => packaged.executablePath())
  const path = await unpack()
  try {
    return await launch(path)
  } catch {
    // A bare machine lacks the library NSS. The package contains it, and unpacks it only on a machine that looks
    // like a function runtime.
    process.env.AWS_LAMBDA_JS_RUNTIME = 'nodejs20.x'
    await unpack()
    return launch(path, { LD_LIBRARY_PATH: join(folder, 'al2023/lib') })
  }
}

/** A temporary folder of our own, because another user's copy in the common folder would be in the way. */
async function within<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  try {
    return await work()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}

/** A limit only for a browser that hangs; a slow machine gets the time that it needs. */
const TIMEOUT_MS = 120_000

async function launch(executablePath: string, env: Record<string, string> = {}): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath,
    args: FLAGS,
    headless: true,
    timeout: TIMEOUT_MS,
    env: { ...(process.env as Record<string, string>), ...env },
  })
  const newContext = browser.newContext.bind(browser)
  browser.newContext = async (options) => {
    const context = await newContext(options)
    context.setDefaultTimeout(TIMEOUT_MS)
    return context
  }
  return browser
}
