/**
 * The components of mails. They load with the first mail that is rendered: the library behind them is a third of
 * what a command or a cold start would load otherwise, and most processes render no mail.
 *
 * @module
 */

import { createElement, type FunctionComponent } from 'react'

type Components = typeof import('./all.ts')

let components: Components | undefined

/** Loads the components. `renderEmail` does so before it renders. */
export async function loadComponents(): Promise<void> {
  components ??= await import('./all.ts')
}

function loaded<Name extends keyof Components>(name: Name): Components[Name] {
  const Loaded: FunctionComponent<object> = (props) => {
    if (!components) throw new Error(`Call loadComponents() before you render ${name}.`)
    return createElement(components[name] as FunctionComponent<object>, props)
  }
  return Loaded as Components[Name]
}

export const Body: Components['Body'] = loaded('Body')
export const Button: Components['Button'] = loaded('Button')
export const Container: Components['Container'] = loaded('Container')
export const Head: Components['Head'] = loaded('Head')
export const Heading: Components['Heading'] = loaded('Heading')
export const Hr: Components['Hr'] = loaded('Hr')
export const Html: Components['Html'] = loaded('Html')
export const Link: Components['Link'] = loaded('Link')
export const Preview: Components['Preview'] = loaded('Preview')
export const Section: Components['Section'] = loaded('Section')
export const Text: Components['Text'] = loaded('Text')
export const Action: Components['Action'] = loaded('Action')
export const Layout: Components['Layout'] = loaded('Layout')
export const Paragraph: Components['Paragraph'] = loaded('Paragraph')
