import { join } from 'node:path';
import ts from 'typescript-5.9';
import { createProject, goodwire, node, type Programs } from './compile.ts';

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  strict: true,
  noEmit: true,
};

/** Text that an editor shows for a name. */
export interface Hover {
  /** The type, or the signature of the overload that is called. */
  readonly signature: string;
  /** The comment, with its tags. */
  readonly comment: string;
}

/** Project with goodwire, as an editor has it open. */
export interface Editor {
  readonly checker: ts.TypeChecker;
  readonly program: ts.Program;
  /** Returns the text for the name behind the `|` in a piece of a program that it has once. */
  hover(file: string, piece: string): Hover;
}

/** Opens programs in a project with goodwire. The caller removes the project. */
export function openEditor(programs: Programs): Editor & { readonly project: string } {
  const project = createProject({ ...node, ...goodwire });
  const texts = new Map(Object.entries(programs).map(([name, text]) => [join(project, name), text]));
  const read = (file: string): string | undefined => texts.get(file) ?? ts.sys.readFile(file);
  const service = ts.createLanguageService({
    getScriptFileNames: () => [...texts.keys()],
    getScriptVersion: () => '1',
    getScriptSnapshot: (file) => {
      const text = read(file);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => project,
    getCompilationSettings: () => options,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (file) => texts.has(file) || ts.sys.fileExists(file),
    readFile: read,
    readDirectory: ts.sys.readDirectory,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    ...(ts.sys.realpath !== undefined && { realpath: ts.sys.realpath }),
  });
  const program = service.getProgram()!;
  return {
    project,
    program,
    checker: program.getTypeChecker(),
    hover: (file, piece) => {
      const path = join(project, file);
      const [before, text] = [piece.indexOf('|'), piece.replace('|', '')];
      const parts = (texts.get(path) ?? '').split(text);
      if (before === -1 || parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} pieces ${piece}`);
      const position = parts[0]!.length + before;
      const info = service.getQuickInfoAtPosition(path, position);
      const tags = (info?.tags ?? []).map((tag) => `@${tag.name} ${ts.displayPartsToString(tag.text)}`);
      return {
        signature: ts.displayPartsToString(info?.displayParts),
        comment: [ts.displayPartsToString(info?.documentation), ...tags].join('\n'),
      };
    },
  };
}
