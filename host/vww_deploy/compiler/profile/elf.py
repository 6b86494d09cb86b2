"""What the profiler reads from an ELF: functions, section sizes, and the source line of an address."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


@dataclass(frozen=True, order=True)
class Function:
    """A function: its address (without the Thumb bit), size in bytes and name as in the symbol table."""

    address: int
    size: int
    name: str


class Program:
    """An ELF file with symbols."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = path.open("rb")
        self._elf = ELFFile(self._stream)
        table = self._elf.get_section_by_name(".symtab")
        symbols = list(table.iter_symbols()) if isinstance(table, SymbolTableSection) else []
        self.functions = sorted(
            Function(s["st_value"] & ~1, s["st_size"], s.name) for s in symbols if s["st_info"]["type"] == "STT_FUNC"
        )
        self._starts = [f.address for f in self.functions]

    def close(self) -> None:
        """Closes the file; line numbers can't be read afterwards."""
        self._stream.close()

    def function(self, name: str) -> Function:
        """The function of that name; KeyError when there is none."""
        for function in self.functions:
            if function.name == name:
                return function
        raise KeyError(name)

    def function_at(self, address: int) -> Function | None:
        """The function that holds an address."""
        i = bisect.bisect_right(self._starts, address) - 1
        return self.functions[i] if i >= 0 else None

    def line_at(self, address: int) -> int:
        """The source line of an address, 0 when it isn't known."""
        addresses, lines = self._lines
        i = bisect.bisect_right(addresses, address) - 1
        return lines[i] if i >= 0 else 0

    @cached_property
    def _lines(self) -> tuple[list[int], list[int]]:
        rows = sorted(self._line_rows())
        return [address for address, _ in rows], [line for _, line in rows]

    def _line_rows(self) -> Iterator[tuple[int, int]]:
        if not self._elf.has_dwarf_info():
            return
        dwarf = self._elf.get_dwarf_info()
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            for entry in program.get_entries() if program else ():
                if entry.state is not None and not entry.state.end_sequence:
                    yield entry.state.address, entry.state.line
