/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * What can be measured about how a page looks: whether it scrolls sideways, and the contrast of its texts, of the
 * borders of its fields and of its focus ring, by the styles that the browser computed.
 */

import type { Page } from 'playwright-core'

/** The widths of a desk and of a phone, in CSS pixels. */
const WIDTHS = [1280, 375]
const SCHEMES = ['light', 'dark'] as const

/** WCAG 2.2 AA: 1.4.3 for text, 1.4.11 for the parts of controls. */
const TEXT = 4.5
const CONTROL = 3

/** The faults of the page at each width, light and dark. `shot` is called at each. */
export async function faultsOf(page: Page, shot: (view: string) => Promise<void>) {
  const faults: string[] = []
  // Browsers show focus rings to those who use the keyboard.
  await page.keyboard.press('Tab')
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 })
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme })
      const view = `${width} ${colorScheme}`
      for (const fault of await page.evaluate(faultsHere, { TEXT, CONTROL })) {
        faults.push(`${view}: ${fault}`)
      }
      await shot(`${width}-${colorScheme}`)
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: WIDTHS[0] as number, height: 800 })
  return faults
}

/** Runs in the page, so it uses nothing from here. */
function faultsHere({ TEXT, CONTROL }: { TEXT: number; CONTROL: number }): string[] {
  type Colour = [number, number, number, number]
  const found = new Set<string>()

  const colourOf = (text: string): Colour => {
    const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number)
    return [red, green, blue, alpha]
  }
  const luminance = (colour: Colour): number => {
    const [red = 0, green = 0, blue = 0] = colour.slice(0, 3).map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (one: Colour, other: Colour): number => {
    const [low = 0, high = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (high + 0.05) / (low + 0.05)
  }
  /** The colour behind an element. The pages have no half-transparent grounds. */
  const ground = (element: Element | null): Colour => {
    for (let at = element; at; at = at.parentElement) {
      const colour = colourOf(getComputedStyle(at).backgroundColor)
      if (colour[3] === 1) return colour
    }
    return [255, 255, 255, 1]
  }
  const name = (element: Element) =>
    `<${element.tagName.toLowerCase()} class="${element.className}"> ${(element.textContent ?? '').trim().slice(0, 40)}`
  const expectAtLeast = (least: number, ratio: number, what: string) => {
    if (ratio < least) found.add(`contrast ${ratio.toFixed(2)} of ${what}`)
  }

  const root = document.documentElement
  if (root.scrollWidth > window.innerWidth) {
    found.add(`scrolls sideways: ${root.scrollWidth} > ${window.innerWidth}`)
  }
  for (const element of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(element)
    const box = element.getBoundingClientRect()
    const isHidden = !element.checkVisibility() || style.clipPath !== 'none'
    if (isHidden || box.width === 0) continue
    if (box.right > window.innerWidth + 0.5 && !element.closest('svg, iframe')) {
      found.add(`sticks out: ${name(element)}`)
    }
    const hasText = [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
    )
    if (hasText) {
      expectAtLeast(TEXT, contrast(colourOf(style.color), ground(element)), name(element))
    }
    if (element.matches('input:not([type=hidden], [type=checkbox], [type=radio]), select')) {
      const border = colourOf(style.borderTopColor)
      expectAtLeast(
        CONTROL,
        contrast(border, ground(element.parentElement)),
        `border ${name(element)}`,
      )
      expectAtLeast(TEXT, contrast(colourOf(style.color), ground(element)), name(element))
    }
    if (element.matches('a[href], button, input:not([type=hidden]), select, summary')) {
      ;(element as HTMLElement).focus({ focusVisible: true } as FocusOptions)
      const focused = getComputedStyle(element)
      if (focused.outlineStyle === 'none') found.add(`no focus ring: ${name(element)}`)
      else if (focused.outlineStyle !== 'auto') {
        const ring = colourOf(focused.outlineColor)
        expectAtLeast(
          CONTROL,
          contrast(ring, ground(element.parentElement)),
          `ring ${name(element)}`,
        )
      }
    }
  }
  const header = document.querySelector('header')
  for (const part of header?.querySelectorAll('a, button, span') ?? []) {
    const lines = part.getClientRects().length
    const style = getComputedStyle(part)
    const isTall = part.clientHeight > 2.6 * Number.parseFloat(style.fontSize)
    if (lines > 1 || (part.children.length === 0 && isTall)) {
      found.add(`the header wraps: ${name(part)}`)
    }
  }
  ;(document.activeElement as HTMLElement | null)?.blur()
  window.scrollTo(0, 0)
  return [...found]
}
