"""Name the months and weekdays in many languages, as the Unicode CLDR has them, in lower case without a last full stop."""

MONTHS: dict[str, str] = {
    "en": (
        "january|jan, february|feb, march|mar, april|apr, may, june|jun, july|jul, august|aug, september|sep, october|oct, "
        "november|nov, december|dec"
    ),
    "de": (
        "januar|jan, februar|feb, märz, april|apr, mai, juni, juli, august|aug, september|sept, oktober|okt, november|nov, dezember|dez"
    ),
    "fr": (
        "janvier|janv, février|févr, mars, avril|avr, mai, juin, juillet|juil, août, septembre|sept, octobre|oct, novembre|nov, "
        "décembre|déc"
    ),
    "es": (
        "enero|ene, febrero|feb, marzo|mar, abril|abr, mayo|may, junio|jun, julio|jul, agosto|ago, septiembre|sept, "
        "octubre|oct, noviembre|nov, diciembre|dic"
    ),
    "it": (
        "gennaio|gen, febbraio|feb, marzo|mar, aprile|apr, maggio|mag, giugno|giu, luglio|lug, agosto|ago, settembre|set, "
        "ottobre|ott, novembre|nov, dicembre|dic"
    ),
    "pt": (
        "janeiro|jan, fevereiro|fev, março|mar, abril|abr, maio|mai, junho|jun, julho|jul, agosto|ago, setembro|set, "
        "outubro|out, novembro|nov, dezembro|dez"
    ),
    "nl": (
        "januari|jan, februari|feb, maart|mrt, april|apr, mei, juni|jun, juli|jul, augustus|aug, september|sep, oktober|okt, "
        "november|nov, december|dec"
    ),
    "sv": (
        "januari|jan, februari|feb, mars, april|apr, maj, juni, juli, augusti|aug, september|sep, oktober|okt, november|nov, december|dec"
    ),
    "da": (
        "januar|jan, februar|feb, marts|mar, april|apr, maj, juni|jun, juli|jul, august|aug, september|sep, oktober|okt, "
        "november|nov, december|dec"
    ),
    "nb": ("januar|jan, februar|feb, mars, april|apr, mai, juni, juli, august|aug, september|sep, oktober|okt, november|nov, desember|des"),
    "fi": (
        "tammikuuta|tammikuu|tammi, helmikuuta|helmikuu|helmi, maaliskuuta|maaliskuu|maalis, huhtikuuta|huhtikuu|huhti, "
        "toukokuuta|toukokuu|touko, kesäkuuta|kesäkuu|kesä, heinäkuuta|heinäkuu|heinä, elokuuta|elokuu|elo, "
        "syyskuuta|syyskuu|syys, lokakuuta|lokakuu|loka, marraskuuta|marraskuu|marras, joulukuuta|joulukuu|joulu"
    ),
    "is": (
        "janúar|jan, febrúar|feb, mars|mar, apríl|apr, maí, júní|jún, júlí|júl, ágúst|ágú, september|sep, október|okt, "
        "nóvember|nóv, desember|des"
    ),
    "pl": (
        "stycznia|styczeń|sty, lutego|luty|lut, marca|marzec|mar, kwietnia|kwiecień|kwi, maja|maj, czerwca|czerwiec|cze, "
        "lipca|lipiec|lip, sierpnia|sierpień|sie, września|wrzesień|wrz, października|październik|paź, listopada|listopad|lis, "
        "grudnia|grudzień|gru"
    ),
    "cs": (
        "ledna|leden|led, února|únor|úno, března|březen|bře, dubna|duben|dub, května|květen|kvě, června|červen|čvn, "
        "července|červenec|čvc, srpna|srpen|srp, září|zář, října|říjen|říj, listopadu|listopad|lis, prosince|prosinec|pro"
    ),
    "sk": (
        "januára|január|jan, februára|február|feb, marca|marec|mar, apríla|apríl|apr, mája|máj, júna|jún, júla|júl, "
        "augusta|august|aug, septembra|september|sep, októbra|október|okt, novembra|november|nov, decembra|december|dec"
    ),
    "sl": (
        "januar|jan, februar|feb, marec|mar, april|apr, maj, junij|jun, julij|jul, avgust|avg, september|sep, oktober|okt, "
        "november|nov, december|dec"
    ),
    "hr": (
        "siječnja|siječanj|sij, veljače|veljača|velj, ožujka|ožujak|ožu, travnja|travanj|tra, svibnja|svibanj|svi, "
        "lipnja|lipanj|lip, srpnja|srpanj|srp, kolovoza|kolovoz|kol, rujna|rujan|ruj, listopada|listopad|lis, "
        "studenoga|studeni|stu, prosinca|prosinac|pro"
    ),
    "bs": (
        "januar|jan, februar|feb, mart|mar, april|apr, maj, juni|jun, juli|jul, august|aug, septembar|sep, oktobar|okt, "
        "novembar|nov, decembar|dec"
    ),
    "sr": (
        "јануар|јан, фебруар|феб, март|мар, април|апр, мај, јун, јул, август|авг, септембар|сеп, октобар|окт, новембар|нов, децембар|дец"
    ),
    "bg": ("януари|яну, февруари|фев, март, април|апр, май, юни, юли, август|авг, септември|сеп, октомври|окт, ноември|ное, декември|дек"),
    "mk": (
        "јануари|јан, февруари|фев, март|мар, април|апр, мај, јуни|јун, јули|јул, август|авг, септември|сеп, октомври|окт, "
        "ноември|ное, декември|дек"
    ),
    "uk": (
        "січня|січень|січ, лютого|лютий|лют, березня|березень|бер, квітня|квітень|квіт, травня|травень|трав, "
        "червня|червень|черв, липня|липень|лип, серпня|серпень|серп, вересня|вересень|вер, жовтня|жовтень|жовт, "
        "листопада|листопад|лист, грудня|грудень|груд"
    ),
    "be": (
        "студзеня|студзень|сту, лютага|люты|лют, сакавіка|сакавік|сак, красавіка|красавік|кра, мая|май, чэрвеня|чэрвень|чэр, "
        "ліпеня|ліпень|ліп, жніўня|жнівень|жні, верасня|верасень|вер, кастрычніка|кастрычнік|кас, лістапада|лістапад|ліс, "
        "снежня|снежань|сне"
    ),
    "ru": (
        "января|январь|янв, февраля|февраль|февр, марта|март|мар, апреля|апрель|апр, мая|май, июня|июнь|июн, июля|июль|июл, "
        "августа|август|авг, сентября|сентябрь|сент, октября|октябрь|окт, ноября|ноябрь|нояб, декабря|декабрь|дек"
    ),
    "ro": (
        "ianuarie|ian, februarie|feb, martie|mar, aprilie|apr, mai, iunie|iun, iulie|iul, august|aug, septembrie|sept, "
        "octombrie|oct, noiembrie|nov, decembrie|dec"
    ),
    "hu": (
        "január|jan, február|febr, március|márc, április|ápr, május|máj, június|jún, július|júl, augusztus|aug, "
        "szeptember|szept, október|okt, november|nov, december|dec"
    ),
    "el": (
        "ιανουαρίου|ιανουάριος|ιαν, φεβρουαρίου|φεβρουάριος|φεβ, μαρτίου|μάρτιος|μαρ, απριλίου|απρίλιος|απρ, μαΐου|μάιος|μαΐ, "
        "ιουνίου|ιούνιος|ιουν, ιουλίου|ιούλιος|ιουλ, αυγούστου|αύγουστος|αυγ, σεπτεμβρίου|σεπτέμβριος|σεπ, "
        "οκτωβρίου|οκτώβριος|οκτ, νοεμβρίου|νοέμβριος|νοε, δεκεμβρίου|δεκέμβριος|δεκ"
    ),
    "tr": (
        "ocak|oca, şubat|şub, mart|mar, nisan|nis, mayıs|may, haziran|haz, temmuz|tem, ağustos|ağu, eylül|eyl, ekim|eki, "
        "kasım|kas, aralık|ara"
    ),
    "az": (
        "yanvar|yan, fevral|fev, mart|mar, aprel|apr, may, iyun|iyn, iyul|iyl, avqust|avq, sentyabr|sen, oktyabr|okt, "
        "noyabr|noy, dekabr|dek"
    ),
    "lt": (
        "sausio|sausis|saus, vasario|vasaris|vas, kovo|kovas|kov, balandžio|balandis|bal, gegužės|gegužė|geg, "
        "birželio|birželis|birž, liepos|liepa|liep, rugpjūčio|rugpjūtis|rugp, rugsėjo|rugsėjis|rugs, spalio|spalis|spal, "
        "lapkričio|lapkritis|lapkr, gruodžio|gruodis|gruod"
    ),
    "lv": (
        "janvāris|janv, februāris|febr, marts, aprīlis|apr, maijs, jūnijs|jūn, jūlijs|jūl, augusts|aug, septembris|sept, "
        "oktobris|okt, novembris|nov, decembris|dec"
    ),
    "et": (
        "jaanuar|jaan, veebruar|veebr, märts, aprill|apr, mai, juuni, juuli, august|aug, september|sept, oktoober|okt, "
        "november|nov, detsember|dets"
    ),
    "ca": (
        "de gener|gener|de gen, de febrer|febrer|de febr, de març|març, d’abril|abril|d’abr, de maig|maig, de juny|juny, de "
        "juliol|juliol|de jul, d’agost|agost|d’ag, de setembre|setembre|de set, d’octubre|octubre|d’oct, de "
        "novembre|novembre|de nov, de desembre|desembre|de des"
    ),
    "gl": (
        "xaneiro|xan, febreiro|feb, marzo|mar, abril|abr, maio, xuño, xullo|xul, agosto|ago, setembro|set, outubro|out, "
        "novembro|nov, decembro|dec"
    ),
    "eu": (
        "urtarrila|urt, otsaila|ots, martxoa|mar, apirila|api, maiatza|mai, ekaina|eka, uztaila|uzt, abuztua|abu, iraila|ira, "
        "urria|urr, azaroa|aza, abendua|abe"
    ),
    "cy": (
        "ionawr|ion, chwefror|chwef, mawrth|maw, ebrill|ebr, mai, mehefin|meh, gorffennaf|gorff, awst, medi, hydref|hyd, "
        "tachwedd|tach, rhagfyr|rhag"
    ),
    "ga": (
        "eanáir|ean, feabhra|feabh, márta, aibreán|aib, bealtaine|beal, meitheamh|meith, iúil, lúnasa|lún, meán fómhair|mfómh, "
        "deireadh fómhair|dfómh, samhain|samh, nollaig|noll"
    ),
    "sq": (
        "janar|jan, shkurt|shk, mars|mar, prill|pri, maj, qershor|qer, korrik|korr, gusht|gush, shtator|sht, tetor|tet, "
        "nëntor|nën, dhjetor|dhj"
    ),
    "hy": (
        "հունվարի|հունվար|հնվ, փետրվարի|փետրվար|փտվ, մարտի|մարտ|մրտ, ապրիլի|ապրիլ|ապր, մայիսի|մայիս|մյս, հունիսի|հունիս|հնս, "
        "հուլիսի|հուլիս|հլս, օգոստոսի|օգոստոս|օգս, սեպտեմբերի|սեպտեմբեր|սեպ, հոկտեմբերի|հոկտեմբեր|հոկ, նոյեմբերի|նոյեմբեր|նոյ, "
        "դեկտեմբերի|դեկտեմբեր|դեկ"
    ),
    "ka": (
        "იანვარი|იან, თებერვალი|თებ, მარტი|მარ, აპრილი|აპრ, მაისი|მაი, ივნისი|ივნ, ივლისი|ივლ, აგვისტო|აგვ, სექტემბერი|სექ, "
        "ოქტომბერი|ოქტ, ნოემბერი|ნოე, დეკემბერი|დეკ"
    ),
    "ar": "يناير, فبراير, مارس, أبريل, مايو, يونيو, يوليو, أغسطس, سبتمبر, أكتوبر, نوفمبر, ديسمبر",
    "he": ("ינואר|ינו׳, פברואר|פבר׳, מרץ, אפריל|אפר׳, מאי, יוני, יולי, אוגוסט|אוג׳, ספטמבר|ספט׳, אוקטובר|אוק׳, נובמבר|נוב׳, דצמבר|דצמ׳"),
    "fa": "ژانویهٔ|ژانویه, فوریهٔ|فوریه, مارس, آوریل, مهٔ|مه, ژوئن, ژوئیهٔ|ژوئیه, اوت, سپتامبر, اکتبر, نوامبر, دسامبر",
    "ur": "جنوری, فروری, مارچ, اپریل, مئی, جون, جولائی, اگست, ستمبر, اکتوبر, نومبر, دسمبر",
    "hi": ("जनवरी|जन॰, फ़रवरी|फ़र॰, मार्च, अप्रैल, मई, जून, जुलाई|जुल॰, अगस्त|अग॰, सितंबर|सित॰, अक्टूबर|अक्टू॰, नवंबर|नव॰, दिसंबर|दिस॰"),
    "bn": ("জানুয়ারী|জানু, ফেব্রুয়ারী|ফেব, মার্চ, এপ্রিল|এপ্রি, মে, জুন, জুলাই|জুল, আগস্ট|আগ, সেপ্টেম্বর|সেপ, অক্টোবর|অক্টো, নভেম্বর|নভে, ডিসেম্বর|ডিসে"),
    "id": (
        "januari|jan, februari|feb, maret|mar, april|apr, mei, juni|jun, juli|jul, agustus|agu, september|sep, oktober|okt, "
        "november|nov, desember|des"
    ),
    "ms": (
        "januari|jan, februari|feb, mac, april|apr, mei, jun, julai|jul, ogos|ogo, september|sep, oktober|okt, november|nov, disember|dis"
    ),
    "vi": (
        "tháng 1|thg 1, tháng 2|thg 2, tháng 3|thg 3, tháng 4|thg 4, tháng 5|thg 5, tháng 6|thg 6, tháng 7|thg 7, tháng 8|thg "
        "8, tháng 9|thg 9, tháng 10|thg 10, tháng 11|thg 11, tháng 12|thg 12"
    ),
    "th": (
        "มกราคม|ม.ค, กุมภาพันธ์|ก.พ, มีนาคม|มี.ค, เมษายน|เม.ย, พฤษภาคม|พ.ค, มิถุนายน|มิ.ย, กรกฎาคม|ก.ค, สิงหาคม|ส.ค, "
        "กันยายน|ก.ย, ตุลาคม|ต.ค, พฤศจิกายน|พ.ย, ธันวาคม|ธ.ค"
    ),
    "sw": (
        "januari|jan, februari|feb, machi|mac, aprili|apr, mei, juni|jun, julai|jul, agosti|ago, septemba|sep, oktoba|okt, "
        "novemba|nov, desemba|des"
    ),
    "af": (
        "januarie|jan, februarie|feb, maart|mrt, april|apr, mei, junie|jun, julie|jul, augustus|aug, september|sep, "
        "oktober|okt, november|nov, desember|des"
    ),
}
"""Language -> its twelve months. `|` separates forms of one month: genitive, nominative, abbreviation."""

WEEKDAYS: dict[str, str] = {
    "en": "sunday, monday, tuesday, wednesday, thursday, friday, saturday, sun, mon, tue, wed, thu, fri, sat",
    "de": "sonntag, montag, dienstag, mittwoch, donnerstag, freitag, samstag, so, mo, di, mi, do, fr, sa",
    "fr": "dimanche, lundi, mardi, mercredi, jeudi, vendredi, samedi, dim, lun, mar, mer, jeu, ven, sam",
    "es": "domingo, lunes, martes, miércoles, jueves, viernes, sábado, dom, lun, mar, mié, jue, vie, sáb",
    "it": "domenica, lunedì, martedì, mercoledì, giovedì, venerdì, sabato, dom, lun, mar, mer, gio, ven, sab",
    "pt": ("domingo, segunda-feira, terça-feira, quarta-feira, quinta-feira, sexta-feira, sábado, dom, seg, ter, qua, qui, sex, sáb"),
    "nl": "zondag, maandag, dinsdag, woensdag, donderdag, vrijdag, zaterdag, zo, ma, di, wo, do, vr, za",
    "sv": "söndag, måndag, tisdag, onsdag, torsdag, fredag, lördag, sön, mån, tis, ons, tors, fre, lör",
    "da": "søndag, mandag, tirsdag, onsdag, torsdag, fredag, lørdag, søn, man, tirs, ons, tors, fre, lør",
    "nb": "søndag, mandag, tirsdag, onsdag, torsdag, fredag, lørdag, søn, man, tir, ons, tor, fre, lør",
    "fi": "sunnuntai, maanantaina, tiistaina, keskiviikkona, torstaina, perjantaina, lauantaina, su, ma, ti, ke, to, pe, la",
    "is": ("sunnudagur, mánudagur, þriðjudagur, miðvikudagur, fimmtudagur, föstudagur, laugardagur, sun, mán, þri, mið, fim, fös, lau"),
    "pl": "niedziela, poniedziałek, wtorek, środa, czwartek, piątek, sobota, niedz, pon, wt, śr, czw, pt, sob",
    "cs": "neděle, pondělí, úterý, středa, čtvrtek, pátek, sobota, ne, po, út, st, čt, pá, so",
    "sk": "nedeľa, pondelok, utorok, streda, štvrtok, piatok, sobota, ne, po, ut, st, št, pi, so",
    "sl": "nedelja, ponedeljek, torek, sreda, četrtek, petek, sobota, ned, pon, tor, sre, čet, pet, sob",
    "hr": "nedjelja, ponedjeljak, utorak, srijeda, četvrtak, petak, subota, ned, pon, uto, sri, čet, pet, sub",
    "bs": "nedjelja, ponedjeljak, utorak, srijeda, četvrtak, petak, subota, ned, pon, uto, sri, čet, pet, sub",
    "sr": "недеља, понедељак, уторак, среда, четвртак, петак, субота, нед, пон, уто, сре, чет, пет, суб",
    "bg": "неделя, понеделник, вторник, сряда, четвъртък, петък, събота, нд, пн, вт, ср, чт, пт, сб",
    "mk": "недела, понеделник, вторник, среда, четврток, петок, сабота, нед, пон, вто, сре, чет, пет, саб",
    "uk": "неділя, понеділок, вівторок, середа, четвер, пʼятниця, субота, нд, пн, вт, ср, чт, пт, сб",
    "be": "нядзеля, панядзелак, аўторак, серада, чацвер, пятніца, субота, нд, пн, аў, ср, чц, пт, сб",
    "ru": "воскресенье, понедельник, вторник, среда, четверг, пятница, суббота, вс, пн, вт, ср, чт, пт, сб",
    "ro": "duminică, luni, marți, miercuri, joi, vineri, sâmbătă, dum, lun, mar, mie, vin, sâm",
    "hu": "vasárnap, hétfő, kedd, szerda, csütörtök, péntek, szombat, sze, cs, szo",
    "el": "κυριακή, δευτέρα, τρίτη, τετάρτη, πέμπτη, παρασκευή, σάββατο, κυρ, δευ, τρί, τετ, πέμ, παρ, σάβ",
    "tr": "pazar, pazartesi, salı, çarşamba, perşembe, cuma, cumartesi, paz, pzt, sal, çar, per, cum, cmt",
    "az": "bazar, bazar ertəsi, çərşənbə axşamı, çərşənbə, cümə axşamı, cümə, şənbə, b.e, ç.a, c.a",
    "lt": ("sekmadienis, pirmadienis, antradienis, trečiadienis, ketvirtadienis, penktadienis, šeštadienis, sk, pr, an, tr, kt, pn, št"),
    "lv": (
        "svētdiena, pirmdiena, otrdiena, trešdiena, ceturtdiena, piektdiena, sestdiena, svētd, pirmd, otrd, trešd, ceturtd, piektd, sestd"
    ),
    "et": "pühapäev, esmaspäev, teisipäev, kolmapäev, neljapäev, reede, laupäev",
    "ca": "diumenge, dilluns, dimarts, dimecres, dijous, divendres, dissabte, dg, dl, dt, dc, dj, dv, ds",
    "gl": "domingo, luns, martes, mércores, xoves, venres, sábado, dom, mar, mér, xov, ven, sáb",
    "eu": "igandea, astelehena, asteartea, asteazkena, osteguna, ostirala, larunbata, ig, al, ar, az, og, or, lr",
    "cy": ("dydd sul, dydd llun, dydd mawrth, dydd mercher, dydd iau, dydd gwener, dydd sadwrn, sul, llun, maw, mer, iau, gwen, sad"),
    "ga": ("dé domhnaigh, dé luain, dé máirt, dé céadaoin, déardaoin, dé haoine, dé sathairn, domh, luan, máirt, céad, déar, aoine, sath"),
    "sq": "e diel, e hënë, e martë, e mërkurë, e enjte, e premte, e shtunë, die, hën, mar, mër, enj, pre, sht",
    "hy": "կիրակի, երկուշաբթի, երեքշաբթի, չորեքշաբթի, հինգշաբթի, ուրբաթ, շաբաթ, կիր, երկ, երք, չրք, հնգ, ուր, շբթ",
    "ka": "კვირა, ორშაბათი, სამშაბათი, ოთხშაბათი, ხუთშაბათი, პარასკევი, შაბათი, კვი, ორშ, სამ, ოთხ, ხუთ, პარ, შაბ",
    "ar": "الأحد, الاثنين, الثلاثاء, الأربعاء, الخميس, الجمعة, السبت",
    "he": ("יום ראשון, יום שני, יום שלישי, יום רביעי, יום חמישי, יום שישי, יום שבת, יום א׳, יום ב׳, יום ג׳, יום ד׳, יום ה׳, יום ו׳, שבת"),
    "fa": "یکشنبه, دوشنبه, سه‌شنبه, چهارشنبه, پنجشنبه, جمعه, شنبه",
    "ur": "اتوار, پیر, منگل, بدھ, جمعرات, جمعہ, ہفتہ",
    "hi": "रविवार, सोमवार, मंगलवार, बुधवार, गुरुवार, शुक्रवार, शनिवार, रवि, सोम, मंगल, बुध, गुरु, शुक्र, शनि",
    "bn": "রবিবার, সোমবার, মঙ্গলবার, বুধবার, বৃহস্পতিবার, শুক্রবার, শনিবার, রবি, সোম, মঙ্গল, বুধ, বৃহস্পতি, শুক্র, শনি",
    "id": "minggu, senin, selasa, rabu, kamis, jumat, sabtu, min, sen, sel, rab, kam, jum, sab",
    "ms": "ahad, isnin, selasa, rabu, khamis, jumaat, sabtu, ahd, isn, sel, rab, kha, jum, sab",
    "vi": "chủ nhật, thứ hai, thứ ba, thứ tư, thứ năm, thứ sáu, thứ bảy, cn, th 2, th 3, th 4, th 5, th 6, th 7",
    "th": "วันอาทิตย์, วันจันทร์, วันอังคาร, วันพุธ, วันพฤหัสบดี, วันศุกร์, วันเสาร์, อา, พฤ",
    "sw": "jumapili, jumatatu, jumanne, jumatano, alhamisi, ijumaa, jumamosi",
    "af": "sondag, maandag, dinsdag, woensdag, donderdag, vrydag, saterdag, so, ma, di, wo, do, vr, sa",
}
"""Language -> its weekdays, and their abbreviations."""
