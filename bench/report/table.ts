/** A table before it is Markdown, HTML or lines of a terminal. */

export interface Column {
  readonly name: string;
  /** Empty for text and plain counts. */
  readonly unit: string;
  readonly align: 'left' | 'right';
}

export interface Table {
  readonly columns: readonly Column[];
  /** As many texts as there are columns; not yet escaped for any format. */
  readonly rows: readonly (readonly string[])[];
}

export const textColumn = (name: string): Column => ({ name, unit: '', align: 'left' });

export const numberColumn = (name: string, unit = ''): Column => ({ name, unit, align: 'right' });
