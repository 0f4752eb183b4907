// @ts-check
/** OpenSheetMusicDisplay, loaded when sheet music is first looked at: 1.3 MB that most sessions do not need. */

/** @typedef {any} Osmd an `OpenSheetMusicDisplay`; the package's own types are not shipped */

const FILE = "static/vendor/opensheetmusicdisplay.min.js";

let loading = /** @type {Promise<any> | null} */ (null);

/** The library; asked for again where it could not be fetched. @returns {Promise<{OpenSheetMusicDisplay: new (element: HTMLElement, options: object) => Osmd}>} */
export function engine() {
  loading ??= fetched();
  return loading;
}

/** @returns {Promise<any>} */
function fetched() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = FILE;
    script.addEventListener("load", () => resolve(/** @type {any} */ (window).opensheetmusicdisplay));
    script.addEventListener("error", () => {
      loading = null;
      script.remove();
      reject(new Error(FILE));
    });
    document.head.append(script);
  });
}

/** Less room around the page than on paper. @param {Osmd} osmd */
export function tighten(osmd) {
  Object.assign(osmd.EngravingRules, { PageTopMargin: 2, PageBottomMargin: 2, PageLeftMargin: 3, PageRightMargin: 3 });
}

/** @param {string} ink colour of everything that is not said otherwise @returns {object} */
export function options(ink) {
  return {
    autoResize: false,
    backend: "svg",
    drawTitle: false,
    drawSubtitle: false,
    drawComposer: false,
    drawCredits: false,
    drawPartNames: false,
    drawMeasureNumbersOnlyAtSystemStart: false,
    measureNumberInterval: 1,
    useXMLMeasureNumbers: true,
    defaultColorMusic: ink,
    defaultFontFamily: "Georgia, 'Times New Roman', 'Noto Serif SC', serif",
    pageBackgroundColor: "transparent",
    stretchLastSystemLine: false,
    autoGenerateMultipleRestMeasuresFromRestMeasures: false, // every bar keeps its place
  };
}
