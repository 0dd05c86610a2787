/** @jsxRuntime automatic */
/** @jsxImportSource react */

import {
  Body,
  Button,
  Container,
  Head,
  Heading,
  Hr,
  Html,
  Preview,
  Text,
} from '@react-email/components'
import { Children, type ReactNode } from 'react'
import { breakable } from '../words.ts'

const FONT = '-apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif'

/** Breaks a word that is longer than its line, so that it does not widen the mail. */
const WRAP = { overflowWrap: 'anywhere', wordBreak: 'break-word' } as const

const style = {
  body: { backgroundColor: '#f4f5f7', margin: 0, padding: '24px 0', fontFamily: FONT },
  container: {
    backgroundColor: '#ffffff',
    borderRadius: '8px',
    padding: '32px',
    maxWidth: '520px',
  },
  heading: { ...WRAP, color: '#1a1f2b', fontSize: '20px', lineHeight: '28px', margin: '0 0 16px' },
  text: { ...WRAP, color: '#3d4554', fontSize: '15px', lineHeight: '24px', margin: '0 0 16px' },
  button: {
    backgroundColor: '#2f5bea',
    borderRadius: '6px',
    color: '#ffffff',
    display: 'inline-block',
    fontSize: '15px',
    fontWeight: 600,
    padding: '12px 20px',
    textDecoration: 'none',
  },
  rule: { borderColor: '#dfe3ea', margin: '24px 0 16px' },
  small: { ...WRAP, color: '#6b7280', fontSize: '13px', lineHeight: '20px', margin: 0 },
}

export interface LayoutProps {
  title: string
  /** The line that an inbox shows beside the subject. */
  preview: string
  /** The reason that the reader got this mail. */
  footer: string
  children: ReactNode
}

/** The frame of every mail. */
export function Layout({ title, preview, footer, children }: LayoutProps) {
  return (
    <Html lang="en" dir="ltr">
      <Head>
        <title>{title}</title>
        <meta name="color-scheme" content="light dark" />
        <meta name="supported-color-schemes" content="light dark" />
      </Head>
      <Preview>{preview}</Preview>
      <Body style={style.body}>
        <Container style={style.container}>
          <Heading style={style.heading}>{breaking(title)}</Heading>
          {children}
          <Hr style={style.rule} />
          <Text style={style.small}>{footer}</Text>
        </Container>
      </Body>
    </Html>
  )
}

export function Paragraph({ children }: { children: ReactNode }) {
  return <Text style={style.text}>{breaking(children)}</Text>
}

/** Adds break points to long words, for mail programs without CSS. */
const breaking = (children: ReactNode): ReactNode =>
  Children.map(children, (child) =>
    typeof child === 'string'
      ? breakable(child).flatMap((part, at) => (at === 0 ? [part] : [<wbr key={at} />, part]))
      : child,
  )

/** The button for the one action that the mail asks for. */
export function Action({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Text style={style.text}>
      <Button href={href} style={style.button}>
        {children}
      </Button>
    </Text>
  )
}
