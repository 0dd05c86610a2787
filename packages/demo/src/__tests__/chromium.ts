/**
 * A real Chromium for the browser run: `CHROMIUM_PATH`, the one that comes as a registry package
 * (Linux on x64), or an installed Chrome.
 */

import { existsSync } from 'node:fs'
import { arch, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const INSTALLED = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

// The package's own arguments share one process between contexts and crash; these are enough.
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

/** A running Chromium; null where this machine has none. */
export async function launchChromium(): Promise<Browser | null> {
  const given = process.env.CHROMIUM_PATH
  if (given) return launch(given)
  if (platform() === 'linux' && arch() === 'x64') return launchPackaged()
  const installed = INSTALLED.find((path) => existsSync(path))
  return installed ? launch(installed) : null
}

async function launchPackaged(): Promise<Browser> {
  const { default: packaged } = await import('@sparticuz/chromium')
  const path = await packaged.executablePath()
  try {
    return await launch(path)
  } catch {
    // A bare machine lacks NSS. The package brings it, and unpacks it where it takes the machine
    // for a function runtime.
    process.env.AWS_LAMBDA_JS_RUNTIME = 'nodejs20.x'
    await packaged.executablePath()
    return launch(path, { LD_LIBRARY_PATH: join(tmpdir(), 'al2023/lib') })
  }
}

const launch = (executablePath: string, env: Record<string, string> = {}): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: FLAGS,
    headless: true,
    env: { ...(process.env as Record<string, string>), ...env },
  })
