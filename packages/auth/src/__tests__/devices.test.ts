/** What people read of the devices they are signed in with. */

import { expect, test } from 'vitest'
import { deviceOf, familyOf } from '../account/device.ts'

const MAC = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)'
const WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)'
const KIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'

test.each([
  [`${MAC} ${KIT} Chrome/131.0.0.0 Safari/537.36`, 'Chrome 131 on macOS'],
  [`${WINDOWS} ${KIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.86`, 'Edge 131 on Windows'],
  [`${WINDOWS} ${KIT} Chrome/130.0.0.0 Safari/537.36 OPR/116.0.0.0`, 'Opera 116 on Windows'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0',
    'Firefox 133 on Windows',
  ],
  [
    'Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0',
    'Firefox 133 on Linux',
  ],
  [
    `${MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1.1 Safari/605.1.15`,
    'Safari 18 on macOS',
  ],
  [`${IPHONE} Version/18.1 Mobile/15E148 Safari/604.1`, 'Safari 18 on iPhone'],
  [`${IPHONE} CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1`, 'Chrome 131 on iPhone'],
  [`${IPHONE} FxiOS/133.0 Mobile/15E148 Safari/605.1.15`, 'Firefox 133 on iPhone'],
  [`${IPHONE} EdgiOS/131.0.2903.92 Version/18.0 Mobile/15E148 Safari/604.1`, 'Edge 131 on iPhone'],
  [
    `Mozilla/5.0 (Linux; Android 10; K) ${KIT} Chrome/131.0.0.0 Mobile Safari/537.36`,
    'Chrome 131 on Android',
  ],
  [
    `Mozilla/5.0 (Linux; Android 14; SM-S921B) ${KIT} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet 27 on Android',
  ],
  [
    `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${KIT} Chrome/131.0.0.0 Safari/537.36`,
    'Chrome 131 on ChromeOS',
  ],
  [
    `Mozilla/5.0 (X11; Linux x86_64) ${KIT} HeadlessChrome/143.0.0.0 Safari/537.36`,
    'Chrome 143 on Linux',
  ],
  ['curl/8.5.0', 'curl 8'],
  ['Mozilla/5.0 (Windows NT 10.0)', 'Windows'],
  ['Acme-Sync/2.1', null],
  ['', null],
  [null, null],
])('%s is %s', (userAgent, device) => {
  expect(deviceOf(userAgent).device).toBe(device)
})

test('a header of 64 KiB takes no longer than a short one, whatever it repeats', () => {
  const parts = [
    'Version/1.',
    'Edg/',
    'Chrome/1',
    'Mac OS X ',
    '1',
    ' ',
    'a',
    '(',
    'Version/18 Mobile/',
  ]
  const started = performance.now()
  for (const part of parts) {
    const text = part.repeat(Math.ceil(65_536 / part.length))
    for (let n = 0; n < 200; n += 1) {
      deviceOf(text)
      familyOf(text)
    }
  }
  // 3,600 headers; one that is read in quadratic time takes seconds alone.
  expect(performance.now() - started).toBeLessThan(5_000)
})

test('the audit log stores only the browser’s family', () => {
  expect(familyOf(`${WINDOWS} ${KIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0`)).toBe('Edge')
  expect(familyOf('Acme-Sync/2.1')).toBe('other')
})
