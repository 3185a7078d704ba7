// Written by python -m tools.palette from kd_core/base/marks.py, which explains them.
export default {
  "roles": {
    "teacher": {
      "name": "Teacher",
      "light": "#0072B2",
      "dark": "#56B4E9",
      "dash": "9px,5px",
      "width": 2.0,
      "symbol": "square",
      "glyph": "■",
      "fill": "solid"
    },
    "student": {
      "name": "Student",
      "light": "#D55E00",
      "dark": "#E69F00",
      "dash": "solid",
      "width": 2.5,
      "symbol": "circle",
      "glyph": "●",
      "fill": "solid"
    },
    "baseline": {
      "name": "Baseline student",
      "light": "#6B6B6B",
      "dark": "#B3B3B3",
      "dash": "2px,3px",
      "width": 2.0,
      "symbol": "circle-open",
      "glyph": "○",
      "fill": "hatch"
    },
    "labels": {
      "name": "Labels",
      "light": "#000000",
      "dark": "#FFFFFF",
      "dash": "solid",
      "width": 1.25,
      "symbol": "line-ew-open",
      "glyph": "✓",
      "fill": "outline"
    }
  },
  "moreNetworks": {
    "light": [
      "#007A5A",
      "#9B4F96",
      "#8A6D00",
      "#4B57C8",
      "#7A4B2A",
      "#00808A",
      "#B0568C",
      "#5B6B00"
    ],
    "dark": [
      "#3DD6A3",
      "#D59BD0",
      "#E0C84A",
      "#9AA5FF",
      "#C99A76",
      "#4FC7D1",
      "#F2A0CF",
      "#B9CC4A"
    ]
  },
  "classes": {
    "light": [
      "#009E73",
      "#F0E442",
      "#CC79A7",
      "#56B4E9",
      "#E69F00",
      "#0072B2",
      "#D55E00",
      "#000000"
    ],
    "dark": [
      "#009E73",
      "#F0E442",
      "#CC79A7",
      "#56B4E9",
      "#E69F00",
      "#0072B2",
      "#D55E00",
      "#FFFFFF"
    ]
  },
  "classMarkers": [
    "circle",
    "triangle",
    "square",
    "diamond"
  ],
  "classGlyphs": [
    "●",
    "▲",
    "■",
    "◆"
  ],
  "trueLabel": "✓",
  "wrongLabel": "✕",
  "sequential": [
    "#00224E",
    "#123570",
    "#3B496C",
    "#575D6D",
    "#707173",
    "#8A8678",
    "#A59C74",
    "#C3B369",
    "#E1CC55",
    "#FEE838"
  ],
  "diverging": [
    "#2E1560",
    "#8C8A91",
    "#F5A21B"
  ],
  "space": "\u00a0",
  "minus": "−"
};
