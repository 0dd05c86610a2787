/** This module and `layout.tsx` alone import the component library, so that it can be replaced in one folder. */
export {
  Body,
  Button,
  Container,
  Head,
  Heading,
  Hr,
  Html,
  Link,
  Preview,
  Section,
  Text,
} from '@react-email/components'
export { Action, Layout, Paragraph } from './layout.tsx'
